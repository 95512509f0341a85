import { createHash } from "node:crypto";
import { formatPackedHeader } from "../../../lib/git/packed-object.ts";
import { formatPacket, packetLimit, textPacket } from "../../../lib/git/pkt-line.ts";
import { uniqueName } from "../bed.ts";
import type { GitServer } from "./git-server.ts";

const flush = formatPacket({ type: "flush" });
const lines = (...texts: string[]) => Buffer.concat(texts.map((text) => formatPacket(textPacket(text))));
const capabilities = lines("version 2", "ls-refs=unborn", "fetch=shallow", "object-format=sha1");
const references = lines(`${"ab".repeat(20)} refs/heads/main`);

/** What a repository that is none answers: a page to everything, or a pack to whoever asks for its branch `main`. */
export type FalseAnswer = { page: string; status?: number } | { pack: Buffer };

/** Puts a repository that is none beside those of a server; returns its URL. */
export function serveFalseRepository(server: GitServer, answer: FalseAnswer): string {
  const path = `/${uniqueName("false")}.git`;
  const others = server.intercept;
  server.intercept = (request, response) => {
    if (request.url?.startsWith(path) !== true) return others(request, response);
    if ("page" in answer) {
      response.writeHead(answer.status ?? 200, { "content-type": "text/html" }).end(answer.page);
      return true;
    }
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.once("end", () => {
      const kind = request.method === "GET" ? "advertisement" : "result";
      response.writeHead(200, { "content-type": `application/x-git-upload-pack-${kind}` });
      if (request.method === "GET") response.end(Buffer.concat([capabilities, flush]));
      else if (Buffer.concat(chunks).includes("ls-refs")) response.end(Buffer.concat([references, flush]));
      else response.end(packfile(answer.pack));
    });
    return true;
  };
  return `${server.url}${path}`;
}

function packfile(pack: Buffer): Buffer {
  const packets: Buffer[] = [formatPacket(textPacket("packfile"))];
  for (let at = 0; at < pack.length; at += packetLimit - 1) {
    const payload = Buffer.concat([Buffer.of(1), pack.subarray(at, at + packetLimit - 1)]);
    packets.push(formatPacket({ type: "data", payload }));
  }
  return Buffer.concat([...packets, flush]);
}

/** A pack of `count` blobs. Each is said to be of `size` bytes, whatever its compressed content really holds. */
export function packOfBlobs(count: number, size: number, compressed: Buffer): Buffer {
  const head = Buffer.alloc(12);
  head.write("PACK");
  head.writeUInt32BE(2, 4);
  head.writeUInt32BE(count, 8);
  const object = Buffer.concat([formatPackedHeader({ type: "blob", size }, 12), compressed]);
  const pack = Buffer.concat([head, ...Array.from({ length: count }, () => object)]);
  return Buffer.concat([pack, createHash("sha1").update(pack).digest()]);
}
