/**
 * Whether the size that tar-stream read of an entry is one. It leaves a size that is no number null, and would wait for that entry's
 * content for ever: every reader asks before it goes on.
 */
export function isEntrySize(size: number | null | undefined): size is number {
  return typeof size === "number" && Number.isSafeInteger(size) && size >= 0;
}
