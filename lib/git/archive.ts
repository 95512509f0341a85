import { setImmediate as turn } from "node:timers/promises";
import { formatTarHeader, tarEnd, tarPadding } from "../platform/archive/tar.ts";
import { gzipTo } from "../platform/archive/tar-gz.ts";
import { entriesInTurn, type IgnoreRules, isIgnored } from "../text/source-ignore.ts";
import { GitError } from "./git-error.ts";
import { type Directory, type Leaf, type Node, objectOf } from "./worktree.ts";

/** Entries between two turns of the event loop. */
const workUnit = 500;

/** Contents of this size and more go into the archive in pieces. */
const streamedSize = 4 * 1024 * 1024;

/**
 * Archives a checkout as source-controller does (ART-006 to ART-008, IGN-007): depth first, directories as entries also where they are
 * empty, everything tested against the rules on its own path, symbolic links left out. Blobs go from the pack into the
 * archive as they are (GIT-023), which `sink` gets in parts.
 */
export async function archive(
  root: Directory,
  rules: IgnoreRules,
  sink: (part: Buffer) => void,
  signal: AbortSignal,
): Promise<{ digest: string; size: number }> {
  const writer = gzipTo(sink);
  const turnAfter = entriesInTurn(rules, workUnit);
  let entries = 0;
  const visit = async (node: Node, name: Buffer, path: readonly string[]): Promise<void> => {
    if (node.type === "symlink") return;
    if (++entries % turnAfter === 0) {
      await turn();
      signal.throwIfAborted();
    }
    const isDirectory = node.type === "directory" || node.type === "submodule";
    if (!isIgnored(rules, path, isDirectory)) {
      if (node.type === "file" || node.type === "executable") await writeFile(writer, node, name, node.type);
      else await writer.write(formatTarHeader({ name, type: "directory", size: 0 }));
    }
    if (node.type !== "directory") return;
    for (const child of node.children)
      await visit(child, join(name, child.name), [...path, child.name.toString("utf8")]);
  };
  await visit(root, Buffer.from("."), []);
  await writer.write(tarEnd);
  return writer.end();
}

async function writeFile(
  writer: Pick<ReturnType<typeof gzipTo>, "write">,
  { from, id }: Leaf,
  name: Buffer,
  type: "file" | "executable",
): Promise<void> {
  const size = from.stat(id)?.size ?? 0;
  if (size < streamedSize) {
    const { content } = objectOf(from, id, "blob");
    await writer.write(formatTarHeader({ name, type, size: content.length }));
    await writer.write(content);
  } else {
    if (from.stat(id)?.type !== "blob") throw new GitError("corrupt", `the object ${id} is not a blob`);
    await writer.write(formatTarHeader({ name, type, size }));
    for await (const piece of from.stream(id) ?? []) await writer.write(piece);
  }
  await writer.write(tarPadding(size));
}

function join(directory: Buffer, name: Buffer): Buffer {
  return directory.equals(Buffer.from(".")) ? name : Buffer.concat([directory, Buffer.from("/"), name]);
}
