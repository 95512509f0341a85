/** The build of an artifact did not succeed. The message is the text of Ready=False `BuildFailed` (KS-075); it holds no path of this machine. */
export class BuildFailed extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "BuildFailed";
  }
}
