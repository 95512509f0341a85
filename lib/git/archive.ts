import { setImmediate as turn } from "node:timers/promises";
import { type IgnoreRules, isIgnored } from "../text/source-ignore.ts";
import type { Pack } from "./pack.ts";
import { formatTarHeader, tarEnd, tarPadding } from "./tar.ts";
import { gzipWriter } from "./tar-gz.ts";
import { type Directory, type Node, objectOf } from "./worktree.ts";

/** Entries between two turns of the event loop. */
const workUnit = 500;

/**
 * Archives a checkout as source-controller does (ART-006 to ART-008, IGN-007): depth first, directories as entries also where they are
 * empty, everything tested against the rules on its own path, symbolic links left out. Blobs go from the pack into the
 * archive as they are (GIT-023).
 */
export async function archive(
  root: Directory,
  pack: Pack,
  rules: IgnoreRules,
  signal: AbortSignal,
): Promise<{ bytes: Buffer; digest: string }> {
  const writer = gzipWriter();
  let entries = 0;
  const visit = async (node: Node, name: Buffer, path: readonly string[]): Promise<void> => {
    if (node.type === "symlink") return;
    if (++entries % workUnit === 0) {
      await turn();
      signal.throwIfAborted();
    }
    const isDirectory = node.type === "directory" || node.type === "submodule";
    if (!isIgnored(rules, path, isDirectory)) {
      if (node.type === "file" || node.type === "executable") {
        const { content } = objectOf(pack, node.id, "blob");
        await writer.write(formatTarHeader({ name, type: node.type, size: content.length }));
        await writer.write(content);
        await writer.write(tarPadding(content.length));
      } else await writer.write(formatTarHeader({ name, type: "directory", size: 0 }));
    }
    if (node.type !== "directory") return;
    for (const child of node.children)
      await visit(child, join(name, child.name), [...path, child.name.toString("utf8")]);
  };
  await visit(root, Buffer.from("."), []);
  await writer.write(tarEnd);
  return writer.end();
}

function join(directory: Buffer, name: Buffer): Buffer {
  return directory.equals(Buffer.from(".")) ? name : Buffer.concat([directory, Buffer.from("/"), name]);
}
