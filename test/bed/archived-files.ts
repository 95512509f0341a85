import { Readable } from "node:stream";
import { text as textOf } from "node:stream/consumers";
import { gunzipSync } from "node:zlib";
import { extract } from "tar-stream";

/** What an artifact holds: texts by paths, and `/` for directories; without the root. */
export async function archivedFiles(tarGz: Uint8Array): Promise<Record<string, string>> {
  const files: Record<string, string> = {};
  const entries = Readable.from([gunzipSync(tarGz)]).pipe(extract());
  for await (const entry of entries) {
    const { name, type } = entry.header;
    const text = await textOf(entry);
    if (name !== ".") files[name] = type === "directory" ? "/" : text;
  }
  return files;
}
