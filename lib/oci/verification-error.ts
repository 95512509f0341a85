/** What speaks against a signature, or why none was found. The message is for the user and holds no secret. */
export class VerificationError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "VerificationError";
  }
}
