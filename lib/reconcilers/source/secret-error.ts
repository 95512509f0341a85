/** A Secret is not there, cannot be read, or does not hold what it has to; in the words of Flux's `runtime/secrets`, without values. */
export class SecretError extends Error {
  /** Whether there is no such Secret. */
  readonly isMissing: boolean;

  constructor(message: string, options: { isMissing?: boolean; cause?: unknown } = {}) {
    super(message, { cause: options.cause });
    this.name = "SecretError";
    this.isMissing = options.isMissing ?? false;
  }
}
