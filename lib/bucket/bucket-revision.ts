import { type DigestAlgorithm, digestOf } from "../platform/artifact-digest.ts";

/** Keys and etags of the objects that make an artifact (BKT-003). */
export type EtagIndex = ReadonlyMap<string, string>;

/** The revision of a bucket: the digest of the lines `<key> <etag>`, by key in the order of bytes (BKT-003). */
export async function bucketRevision(index: EtagIndex, algorithm: DigestAlgorithm = "sha256"): Promise<string> {
  const lines = [...index].map(([key, etag]) => ({ key: Buffer.from(key), line: `${key} ${etag}\n` }));
  lines.sort((a, b) => Buffer.compare(a.key, b.key));
  return digestOf(algorithm, Buffer.from(lines.map(({ line }) => line).join("")));
}
