import { createHash } from "node:crypto";

/** The algorithms of artifact digests, by their names in `--artifact-digest-algo` (ART-011). */
export const digestAlgorithms = ["sha256", "sha384", "sha512", "blake3"] as const;

/** One of the algorithms of artifact digests. */
export type DigestAlgorithm = (typeof digestAlgorithms)[number];

/** Whether a name is of an algorithm that digests are made with. */
export function isDigestAlgorithm(name: string): name is DigestAlgorithm {
  return digestAlgorithms.some((known) => known === name);
}

/** The digest of bytes, whole or in parts, as it stands in a status: `<algorithm>:<hex>` (ART-001). */
export async function digestOf(
  algorithm: DigestAlgorithm,
  content: Uint8Array | AsyncIterable<Uint8Array>,
): Promise<string> {
  const hash =
    algorithm === "blake3" ? (await import("@noble/hashes/blake3.js")).blake3.create() : createHash(algorithm);
  if (content instanceof Uint8Array) hash.update(content);
  else for await (const part of content) hash.update(part);
  return `${algorithm}:${Buffer.from(hash.digest()).toString("hex")}`;
}

/**
 * What is wrong with an artifact's bytes, or undefined where they have the digest that the source gives: `<algorithm>:<hex>`, or
 * bare hex of SHA-256 (KS-026, ART-021).
 */
export async function wrongDigest(bytes: Uint8Array, digest: string): Promise<string | undefined> {
  const [algorithm = "", expected = ""] = digest.includes(":") ? digest.split(":", 2) : ["sha256", digest];
  if (!isDigestAlgorithm(algorithm)) return `digest algorithm '${algorithm}' is not available`;
  const computed = await digestOf(algorithm, bytes);
  return computed === `${algorithm}:${expected}` ? undefined : `computed digest doesn't match provided '${digest}'`;
}
