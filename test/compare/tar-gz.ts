import { gzipSync } from "node:zlib";
import { pack } from "tar-stream";

/** A tar.gz as others make them: texts by paths, symbolic links by their targets. */
export async function tarGz(files: Record<string, string>, links: Record<string, string> = {}): Promise<Buffer> {
  const tar = pack();
  const mtime = new Date(0);
  for (const [name, content] of Object.entries(files))
    tar.entry({ name, mode: name.endsWith(".sh") ? 0o755 : 0o644, mtime }, content);
  for (const [name, linkname] of Object.entries(links)) tar.entry({ name, type: "symlink", linkname });
  tar.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of tar) if (chunk instanceof Uint8Array) chunks.push(Buffer.from(chunk));
  return gzipSync(Buffer.concat(chunks));
}
