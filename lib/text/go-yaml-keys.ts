const letter = /\p{L}/u;
const digit = /\p{Nd}/u;

/**
 * The order in which go-yaml writes the keys of a mapping: digits in a row count as one number, and what is no letter comes before
 * what is one. A comparison for `sort`.
 */
export function compareKeys(a: string, b: string): number {
  if (a === b) return 0;
  let at = 0;
  while (at < a.length && a.charCodeAt(at) === b.charCodeAt(at)) at += 1;
  const ours = a.charCodeAt(at);
  const theirs = b.charCodeAt(at);
  // Most keys differ first where both have a letter, or where one ends.
  if (isAsciiLetter(ours) && isAsciiLetter(theirs)) return ours - theirs;
  if (Number.isNaN(ours) || Number.isNaN(theirs)) return a.length - b.length;
  return isLess([...a], [...b]) ? -1 : 1;
}

function isAsciiLetter(code: number): boolean {
  return (code >= 0x41 && code <= 0x5a) || (code >= 0x61 && code <= 0x7a);
}

function isLess(a: string[], b: string[]): boolean {
  for (const [index, ours] of a.entries()) {
    const theirs = b[index];
    if (theirs === undefined) break;
    if (ours === theirs) continue;
    const oursIsLetter = letter.test(ours);
    const theirsIsLetter = letter.test(theirs);
    if (oursIsLetter && theirsIsLetter) return codeOf(ours) < codeOf(theirs);
    if (oursIsLetter || theirsIsLetter) return theirsIsLetter;
    // Zeros within a number are digits of it like any other.
    const start = (ours === "0" || theirs === "0") && followsNumber(a, index) ? 1n : 0n;
    const our = readNumber(a, index, start);
    const their = readNumber(b, index, start);
    if (our.value !== their.value) return our.value < their.value;
    if (our.end !== their.end) return our.end < their.end;
    return codeOf(ours) < codeOf(theirs);
  }
  return a.length < b.length;
}

function followsNumber(characters: string[], index: number): boolean {
  for (let at = index - 1; at >= 0 && digit.test(characters[at] ?? ""); at -= 1)
    if (characters[at] !== "0") return true;
  return false;
}

/** A run of digits as an integer of 64 bits, with Go's overflow. */
function readNumber(characters: string[], index: number, start: bigint): { value: bigint; end: number } {
  let value = start;
  let end = index;
  for (; digit.test(characters[end] ?? ""); end += 1)
    value = BigInt.asIntN(64, value * 10n + BigInt(codeOf(characters[end] ?? "0") - 0x30));
  return { value, end };
}

function codeOf(character: string): number {
  return character.codePointAt(0) ?? 0;
}
