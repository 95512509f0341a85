import { compareNames, type Tree, walkTree } from "./tree.ts";

/**
 * The name of an output's file (AG-015): the decimal Adler-32 of the lines `<hex Adler-32 of file>  <artifact>/<path>`, in the order of
 * paths. Throws a sentence for a file name with a line break (AG-029).
 */
export function contentName(artifact: string, tree: Tree): string {
  const files: [string, Buffer][] = [];
  let hash = 1;
  for (const [path, node] of walkTree(tree)) {
    if (node.type === "directory") continue;
    const name = `${artifact}/${path}`;
    if (name.includes("\n")) throw new Error("filenames with newlines are not supported");
    files.push([name, Buffer.from(`${adler32(node.read()).toString(16)}  ${name}\n`)]);
  }
  for (const [, line] of files.sort(([a], [b]) => compareNames(a, b))) hash = adler32(line, hash);
  return String(hash);
}

/** Most bytes of which the sums stay below 2^32 without a remainder (RFC 1950, section 8.2). */
const run = 5552;

function adler32(bytes: Uint8Array, from = 1): number {
  let a = from & 0xffff;
  let b = from >>> 16;
  for (let start = 0; start < bytes.length; start += run) {
    const end = Math.min(start + run, bytes.length);
    for (let at = start; at < end; at++) {
      a += bytes[at] ?? 0;
      b += a;
    }
    a %= 65_521;
    b %= 65_521;
  }
  return b * 65_536 + a;
}
