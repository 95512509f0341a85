import { join } from "node:path";

/** Longest name of a file that every common file system takes, less what a suffix needs. */
const segmentBytes = 240;

/**
 * The file of a key below `directory`: each part between slashes is one name. Throws for a key that could name anything
 * else: an empty part, `.`, `..`, a backslash, a control character, a name too long.
 */
export function storagePath(directory: string, key: string): string {
  for (const part of key.split("/")) {
    const forbidden = part === "" || part === "." || part === ".." || part.includes("\\") || hasControlCharacter(part);
    if (forbidden || Buffer.byteLength(part) > segmentBytes)
      throw new Error(`the key ${JSON.stringify(key.slice(0, 300))} cannot be stored: each part must be a plain name`);
  }
  return join(directory, ...key.split("/"));
}

function hasControlCharacter(text: string): boolean {
  for (const character of text) if (character < " " || character === "\u007f") return true;
  return false;
}

/** Whether a file system call failed because the file or its directory is not there. */
export function isAbsent(error: unknown): boolean {
  return error instanceof Error && "code" in error && (error.code === "ENOENT" || error.code === "ENOTDIR");
}
