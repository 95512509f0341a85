import { readFile } from "node:fs/promises";
import { gzipSync } from "node:zlib";
import { pack } from "tar-stream";
import { describe, expect, it } from "vitest";
import type { CopyOperation } from "../../api/artifact-generator.ts";
import { openSpool } from "../../platform/spool.ts";
import { contentName } from "./content-name.ts";
import { applyCopies } from "./copy.ts";
import { emptyTree, makeDirectory, putFile, type Tree, walkTree } from "./tree.ts";

/** A file of a case: its text, with `mode: x` an executable, or an archive of files and links. */
type CaseFile = string | { text?: string; mode?: string; tgz?: Record<string, string>; link?: Record<string, string> };
type Case = {
  name: string;
  sources?: Record<string, Record<string, CaseFile>>;
  copy: CopyOperation[];
  /** What source-watcher 2.2 made of it. */
  result: {
    files?: Record<string, string>;
    executables?: string[];
    directories?: string[];
    filename?: string;
    error?: string;
  };
};

/** Cases where the original's words tell of Go's own decoders, or where it writes beside the artifact. */
const otherWords: Record<string, string> = {
  "merge: text fails": "cannot unmarshal YAML document: the document is no map",
  "merge: a list fails": "cannot unmarshal YAML document: the document is no map",
  "merge: into text fails": "cannot unmarshal YAML document: the document is no map",
  "extract: what is no archive": 'failed to extract tarball "packs/broken.tgz" to "": ',
  "extract: a name that leads out": 'failed to extract tarball "x.tgz" to "": the name "../x" leads out of the archive',
  "extract: an absolute name": 'failed to extract tarball "x.tgz" to "": the name "/x" is not relative',
  "extract: above the artifact": 'failed to extract tarball "packs/one.tar.gz" to "../out": mkdirat ..: path escapes',
};

const { tree, cases }: { tree: Record<string, CaseFile>; cases: Case[] } = JSON.parse(
  await readFile(new URL("testdata/copies.json", import.meta.url), "utf8"),
);

describe("copies, as source-watcher makes them", () => {
  it.each(cases)(
    "AG-009, AG-010, AG-011, AG-012, AG-013, AG-015, AG-029: $name",
    async ({ name, sources = { a: tree }, copy, result }) => {
      const contents = openSpool();
      const artifact = emptyTree();
      const roots = await Promise.all(
        Object.entries(sources).map(async ([alias, files]) => [alias, await treeOf(files)] as const),
      );
      const stage = { sources: new Map(roots), artifact, contents, signal: AbortSignal.timeout(10_000) };
      const made = applyCopies(copy, stage).then(() => contentName("out", artifact));
      const words = otherWords[name] ?? result.error?.replace('to "<staging>"', 'to ""');
      if (words !== undefined) return expect(made).rejects.toThrow(words);
      expect(await made).toBe(result.filename?.replace(".tar.gz", ""));
      const nodes = [...walkTree(artifact)];
      const files = nodes.flatMap(([path, node]) => (node.type === "file" ? [{ path, node }] : []));
      expect(Object.fromEntries(files.map(({ path, node }) => [path, node.read().toString()]))).toEqual(
        result.files ?? {},
      );
      expect(files.filter(({ node }) => node.executable).map(({ path }) => path)).toEqual(result.executables ?? []);
      const empty = nodes.filter(([, node]) => node.type === "directory" && node.children.size === 0);
      expect(empty.map(([path]) => path)).toEqual(result.directories ?? []);
      contents.close();
    },
  );
});

async function treeOf(files: Record<string, CaseFile>): Promise<Tree> {
  const root = emptyTree();
  for (const [path, file] of Object.entries(files)) {
    const cut = path.lastIndexOf("/");
    if (cut > 0) makeDirectory(root, path.slice(0, cut));
    if (path.endsWith("/")) continue;
    const { text = "", mode, tgz, link } = typeof file === "string" ? { text: file } : file;
    const content = tgz === undefined ? Buffer.from(text) : await archiveOf(tgz, link ?? {});
    putFile(root, path, { type: "file", executable: mode === "x", size: content.length, read: () => content });
  }
  return root;
}

async function archiveOf(files: Record<string, string>, links: Record<string, string>): Promise<Buffer> {
  const archive = pack();
  for (const [name, text] of Object.entries(files)) archive.entry({ name }, text);
  for (const [name, linkname] of Object.entries(links)) archive.entry({ name, type: "symlink", linkname });
  archive.finalize();
  const parts: Buffer[] = [];
  for await (const part of archive) if (part instanceof Uint8Array) parts.push(Buffer.from(part));
  return gzipSync(Buffer.concat(parts));
}
