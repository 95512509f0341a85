import { createHash } from "node:crypto";

const ofNode: ReadonlySet<string> = new Set(["sha256", "sha384", "sha512"]);

/**
 * What is wrong with an artifact's bytes, or undefined where they have the digest that the source gives: `<algorithm>:<hex>`, or
 * bare hex of SHA-256 (KS-026). Algorithms are sha256, sha384, sha512 and blake3.
 */
export async function wrongDigest(bytes: Uint8Array, digest: string): Promise<string | undefined> {
  const [algorithm = "", expected = ""] = digest.includes(":") ? digest.split(":", 2) : ["sha256", digest];
  const computed = await digestWith(algorithm, bytes);
  if (computed === undefined) return `digest algorithm '${algorithm}' is not available`;
  return computed === expected ? undefined : `computed digest doesn't match provided '${digest}'`;
}

async function digestWith(algorithm: string, bytes: Uint8Array): Promise<string | undefined> {
  if (ofNode.has(algorithm)) return createHash(algorithm).update(bytes).digest("hex");
  if (algorithm !== "blake3") return undefined;
  const { blake3 } = await import("@noble/hashes/blake3.js");
  return Buffer.from(blake3(bytes)).toString("hex");
}
