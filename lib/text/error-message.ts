/** What an error says; of anything else that was thrown, its text. For those who add where it was and what to do. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
