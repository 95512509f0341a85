import type { ObjectReference } from "../api/object.ts";
import { messageOf } from "../text/error-message.ts";
import { ApiError, isNotFound } from "./api-error.ts";
import { formatSubject } from "./subject.ts";

/** What is said of an object whose dry run was refused (KS-136, KS-149), in Flux's words. */
export function formatRefusal(reference: ObjectReference, error: unknown): string {
  const subject = formatSubject(reference);
  const message = messageOf(error);
  if (isNotFound(error)) {
    const isNamespaceMissing = reference.namespace === undefined || reference.namespace === "";
    return isNamespaceMissing ? `${subject} namespace not specified: ${message}` : `${subject} not found: ${message}`;
  }
  const reason = reasonOf(error);
  return `${subject} dry-run failed${reason === "" ? "" : ` (${reason})`}: ${message}`;
}

function reasonOf(error: unknown): string {
  if (!(error instanceof ApiError)) return "";
  return error.causes.includes("FieldManagerConflict") ? "FieldManagerConflict" : error.reason;
}

/** Whether making the object anew could help (KS-148): it conflicts, is invalid, or the text speaks of immutable fields. */
export function isImmutable(error: unknown): boolean {
  if (!(error instanceof ApiError)) return false;
  if (error.reason === "Conflict" || error.reason === "Invalid") return true;
  return /is\simmutable|immutable\sfield/.test(error.message);
}

/** Whether two writers met: the same request may well succeed in a moment. */
export function isWriteConflict(error: unknown): boolean {
  return error instanceof ApiError && error.reason === "Conflict" && error.causes.length === 0;
}

/** Whether a write may be stored although its request failed: only a status below 500 says that it is not. */
export function mayBeDone(error: unknown): boolean {
  return !(error instanceof ApiError) || error.statusCode >= 500;
}
