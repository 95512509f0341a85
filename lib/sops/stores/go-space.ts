const space = "[\\t\\n\\v\\f\\r \\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000]";
const leading = new RegExp(`^${space}+`);
const isSpace = new RegExp(space);

/** Go's `strings.TrimSpace`, which differs from JavaScript's `trim` in two characters. */
export function trimSpace(text: string): string {
  let end = text.length;
  while (end > 0 && isSpace.test(text[end - 1] ?? "")) end -= 1;
  return trimStart(text.slice(0, end));
}

/** Go's `strings.TrimLeftFunc(text, unicode.IsSpace)`. */
export function trimStart(text: string): string {
  return text.replace(leading, "");
}
