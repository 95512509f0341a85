/** What is wrong with a digest, in the words of go-containerregistry. */
export function digestProblem(digest: string): string {
  const [, algorithm = "", hex = ""] = /^([^:]*):(.*)$/s.exec(digest) ?? [];
  if (algorithm === "" || hex === "") return `cannot parse hash: ${JSON.stringify(digest)}`;
  const [other] = /[^0-9a-f]/u.exec(hex) ?? [];
  if (other !== undefined) return `found non-hex character in hash: ${other}`;
  if (!/^sha(256|384|512)$/.test(algorithm)) return `unsupported hash: ${JSON.stringify(algorithm)}`;
  return `wrong number of hex digits for ${algorithm}: ${hex}`;
}
