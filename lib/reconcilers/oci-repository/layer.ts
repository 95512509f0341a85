import { archiveTree, type TreeEntry } from "../../platform/archive/archive-tree.ts";
import { unpackArchive } from "../../platform/archive/read-tar.ts";
import { ArchiveError } from "../../platform/archive/tar-entries.ts";
import { openSpool, type Spool } from "../../platform/spool.ts";
import type { IgnorePattern } from "../../text/gitignore.ts";
import { addSourceIgnore, ignoreRules, isIgnored } from "../../text/source-ignore.ts";

/** What a layer may unpack to, in bytes, and of how many entries: what fits on the disk of a function besides is bounded by it. */
const limits = {
  total: 4 * 1024 * 1024 * 1024,
  file: 4 * 1024 * 1024 * 1024,
  entries: 1_000_000,
};
/** Larger files of patterns are none that somebody wrote. */
const fileLimit = 1024 * 1024;
const fileName = ".sourceignore";

/**
 * Unpacks a layer, a gzip-compressed tar, and archives what is to be kept of it (OCI-010, IGN-001 to IGN-008): links are left out. The spool
 * is the caller's to close. Throws Flux's sentence where the layer is no such archive, or one that is hostile.
 */
export async function archiveLayer(
  layer: Spool,
  ignore: string | undefined,
  signal: AbortSignal,
): Promise<{ spool: Spool; digest: string }> {
  if (!layer.read(0, 2).equals(Buffer.from([0x1f, 0x8b]))) {
    const short = layer.size === 0 ? "EOF" : "unexpected EOF";
    throw new Error(`requires gzip-compressed body: ${layer.size < 10 ? short : "gzip: invalid header"}`);
  }
  const contents = openSpool();
  try {
    const entries = new Map<string, TreeEntry>();
    const patterns: { domain: string[]; text: () => string }[] = [];
    for await (const entry of unpackArchive(layer.stream(), contents, limits, signal)) {
      if (entry.type === "link") continue;
      if (entry.type === "directory") {
        if (!entries.has(entry.path)) entries.set(entry.path, entry);
        continue;
      }
      const { path, executable, content } = entry;
      const { start, size } = content;
      const read = (from: number, to: number) => contents.read(start + from, start + to);
      entries.set(path, { path, type: executable ? "executable" : "file", size, read });
    }
    layer.close();
    for (const entry of entries.values()) {
      const names = entry.path.split("/");
      if (entry.type === "directory" || names.at(-1) !== fileName || names.includes(".git")) continue;
      const text = () => ("read" in entry ? entry.read(0, Math.min(entry.size, fileLimit)).toString("utf8") : "");
      patterns.push({ domain: names.slice(0, -1), text });
    }
    const found: IgnorePattern[] = [];
    for (const { text, domain } of patterns.sort(depthFirst)) addSourceIgnore(found, text(), domain);
    const rules = ignoreRules(ignore === undefined ? found : addSourceIgnore(found, ignore, []));
    return await archiveTree(entries.values(), {
      isLeftOut: (path, isDirectory) => isIgnored(rules, path, isDirectory),
      signal,
    });
  } catch (error) {
    if (error instanceof ArchiveError && error.what === "path")
      throw new Error(`tar contained invalid name error: ${error.message}`, { cause: error });
    if (error instanceof ArchiveError && ["tar", "gzip", "header"].includes(error.what))
      throw new Error(`tar error: ${error.message}`, { cause: error });
    throw error;
  } finally {
    contents.close();
  }
}

type Domain = { domain: readonly string[] };

/** A directory before those in it, these in the order of their names' bytes. */
function depthFirst({ domain: a }: Domain, { domain: b }: Domain): number {
  for (let index = 0; index < Math.min(a.length, b.length); index++) {
    const order = Buffer.compare(Buffer.from(a[index] ?? ""), Buffer.from(b[index] ?? ""));
    if (order !== 0) return order;
  }
  return a.length - b.length;
}
