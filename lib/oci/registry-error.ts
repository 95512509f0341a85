/** What a registry refused or did not answer. The message is for the user, holds no credentials, and no query of a URL. */
export class RegistryError extends Error {
  /** HTTP status of the answer; 0 where none came. */
  readonly status: number;
  /** The registry's own words for it, such as `MANIFEST_UNKNOWN`. */
  readonly codes: readonly string[];

  constructor(status: number, codes: readonly string[], message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "RegistryError";
    this.status = status;
    this.codes = codes;
  }
}

/** Whether an error says that what was asked for is not there. */
export function isAbsent(error: unknown): boolean {
  return error instanceof RegistryError && error.status === 404;
}
