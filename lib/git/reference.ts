/** A reference of a repository. `peeled` is what an annotated tag, also one of a tag, points to in the end. */
export type Reference = { name: string; id: string; peeled?: string };

/** Whether the text is a SHA-1 object id: 40 lower-case hexadecimal digits. */
export function isObjectId(text: string): boolean {
  return /^[0-9a-f]{40}$/.test(text);
}
