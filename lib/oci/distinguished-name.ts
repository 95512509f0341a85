import { VerificationError } from "./verification-error.ts";

/** Attributes of a distinguished name, by their short names: `C`, `ST`, `O`, `CN`, ... */
export type DistinguishedName = ReadonlyMap<string, string>;

const required = ["C", "ST", "O"];
/** Names are short, and reading one takes time of the square of its length. */
const limit = 2_000;

/**
 * Reads a distinguished name as a trust policy has it (RFC 4514, Notary Project's trust policy specification): one value for each
 * attribute, of which `C`, `ST` and `O` are required. Throws VerificationError in notation's words.
 */
export function parseDistinguishedName(text: string): DistinguishedName {
  const told = JSON.stringify(text.slice(0, 500));
  if (text.length > limit)
    throw new VerificationError(`distinguished name (DN) ${told} is longer than ${limit} characters`);
  if (text.includes("=#"))
    throw new VerificationError(
      `unsupported distinguished name (DN) ${told}: notation does not support x509.subject identities containing "=#"`,
    );
  const pairs: [string, string][] = [];
  // A part ends at a comma or a plus that no backslash stands before.
  const part = /^\s*([A-Za-z][A-Za-z0-9-]*|\d+(?:\.\d+)*)\s*=((?:[^\\,+"]|\\[0-9a-fA-F]{2}|\\[^0-9a-fA-F])*)([,+]|$)/s;
  for (let rest = text; ; ) {
    const [whole, type, value, end] = part.exec(rest) ?? [];
    if (whole === undefined || type === undefined || value === undefined)
      throw new VerificationError(
        `parsing distinguished name (DN) ${told} failed. A valid DN must contain 'C', 'ST' or 'S', and 'O' RDN attributes at a minimum, and follow RFC 4514 standard`,
      );
    if (end === "+")
      throw new VerificationError(
        `distinguished name (DN) ${told} has multi-valued RDN attributes, remove multi-valued RDN attributes as they are not supported`,
      );
    pairs.push([type, unescaped(value)]);
    if (end === "") break;
    rest = rest.slice(whole.length);
  }
  return distinguishedName(pairs, told);
}

/** A distinguished name of its attributes, checked as the one of a trust policy. `told` is how messages name it. */
export function distinguishedName(pairs: readonly (readonly [string, string])[], told: string): DistinguishedName {
  const attributes = new Map<string, string>();
  for (const [type, value] of pairs) {
    const name = type === "S" ? "ST" : type;
    if ((attributes.get(name) ?? "") !== "")
      throw new VerificationError(
        `distinguished name (DN) ${told} has duplicate RDN attribute for ${JSON.stringify(name)}, DN can only have unique RDN attributes`,
      );
    attributes.set(name, value);
  }
  for (const name of required)
    if ((attributes.get(name) ?? "") === "")
      throw new VerificationError(
        `distinguished name (DN) ${told} has no mandatory RDN attribute for ${JSON.stringify(name)}, it must contain 'C', 'ST' or 'S', and 'O' RDN attributes at a minimum`,
      );
  return attributes;
}

/** Whether every attribute of the first name is in the second, with the same value. */
export function isWithin(first: DistinguishedName, second: DistinguishedName): boolean {
  return [...first].every(([name, value]) => second.get(name) === value);
}

function unescaped(value: string): string {
  const trimmed = value.replace(/^ +/, "").replace(/((?:\\.)?) +$/, "$1");
  const bytes: Buffer[] = [];
  for (const [found, hex, character] of trimmed.matchAll(/\\([0-9a-fA-F]{2})|\\(.)|[^\\]+/gs))
    bytes.push(hex !== undefined ? Buffer.from(hex, "hex") : Buffer.from(character ?? found));
  return Buffer.concat(bytes).toString("utf8");
}
