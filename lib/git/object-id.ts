import { createHash } from "node:crypto";

/** The four kinds of Git objects. */
export type ObjectType = "commit" | "tree" | "blob" | "tag";

/** The id of an object in the making: the SHA-1 of its kind, its size and its content, which `update` is given. */
export function objectHash(type: ObjectType, size: number): ReturnType<typeof createHash> {
  return createHash("sha1").update(`${type} ${size}\0`);
}

/** The id of an object. */
export function objectId(type: ObjectType, content: Uint8Array): string {
  return objectHash(type, content.length).update(content).digest("hex");
}
