/** Breaks lines at blanks so that none is longer than `limit` characters, but for words that are. */
export function wrapLines(text: string, limit: number): string {
  return text
    .split("\n")
    .map((line) => wrapLine(line, limit))
    .join("\n");
}

function wrapLine(line: string, limit: number): string {
  let out = "";
  let column = 0;
  for (const [, blanks = "", word = ""] of line.matchAll(/(\s*)(\S+|$)/g)) {
    const fits = column + blanks.length + word.length <= limit || word.length > limit;
    out += column === 0 || fits ? blanks + word : `\n${word}`;
    column = column === 0 || fits ? column + blanks.length + word.length : word.length;
  }
  return out;
}

/** Puts `prefix` before every line. */
export function prefixLines(text: string, prefix: string): string {
  return text.replace(/^/gm, prefix);
}
