import type { FailureReason } from "../../api/reason.ts";
import { messageOf } from "../../text/error-message.ts";
import { SourceFailure } from "./source-failure.ts";

/** What keeps an artifact from being stored, with the reasons and words that Flux has for the same (SRC-037). */
export function storageFailure(reason: FailureReason, words: string, error: unknown): SourceFailure {
  if (error instanceof SourceFailure) return error;
  const why = messageOf(error);
  return new SourceFailure("StorageOperationFailed", reason, `${words}: ${why}`, { cause: error });
}

/** Of a write to the store: a file system that has no place for the object's files says so before it takes one. */
export function writeFailure(words: string, error: unknown): SourceFailure {
  if (callOf(error) === "mkdir")
    return storageFailure("DirectoryCreationFailed", "failed to create artifact directory", error);
  return storageFailure("ArchiveOperationFailed", words, error);
}

/**
 * Of content that outgrew memory where the machine has no place for temporary files, whatever was being done meanwhile; undefined for
 * all other errors.
 */
export function temporaryFailure(error: unknown): SourceFailure | undefined {
  for (let cause = error; cause instanceof Error; cause = cause.cause)
    if (callOf(cause) === "mkdtemp")
      return storageFailure("DirectoryCreationFailed", "failed to create temporary working directory", cause);
  return undefined;
}

/** An artifact's file is one name in the object's own place in the store, whatever it is named after. Throws InvalidPath. */
export function requireFileName(file: string): void {
  if (!/^\.{0,2}$|[/\\]/.test(file)) return;
  const told = JSON.stringify(file.slice(0, 200));
  throw storageFailure("InvalidPath", "invalid target path", new Error(`${told} is not the name of a file`));
}

/** The call to the system that failed. */
function callOf(error: unknown): unknown {
  return error instanceof Error && "syscall" in error ? error.syscall : undefined;
}
