import { execFile } from "node:child_process";
import { createCipheriv, createHash } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import { join } from "node:path";
import { promisify } from "node:util";
import type { Figure } from "./figures.ts";

const run = promisify(execFile);
const count = 10_000;
/** All of them together are what an artifact may have that is read again. */
const size = 12 * 1024;
const pageSize = 1000;

/** Lists, fetches and archives a bucket of 10,000 objects of 12 KiB from a store in this process, and the same with one of them changed. */
export async function benchBucket(): Promise<Figure[]> {
  const keys = Array.from({ length: count }, (_, number) => `d${number % 100}/${String(number).padStart(5, "0")}.yaml`);
  keys.sort();
  let reads = 0;
  let listings = 0;
  let changed = false;
  const bytesOf = (key: string) => contentOf(changed && key === keys[5000] ? `${key}, changed` : key);
  const server = createServer((request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? "/", "http://x");
    if (request.method === "HEAD") return response.end();
    if (searchParams.has("list-type")) {
      const from = Number(searchParams.get("continuation-token") ?? 0);
      // The second listing is of a bucket in which one object has changed.
      if (from === 0) changed = listings++ > 0;
      if (from === 0 && changed) reads = 0;
      const objects = keys.slice(from, from + pageSize).map((key) => {
        const etag = etagOf(bytesOf(key));
        return `<Contents><Key>${key}</Key><ETag>&quot;${etag}&quot;</ETag><Size>${size}</Size></Contents>`;
      });
      const next = from + pageSize;
      const more = next < count;
      const end = `<IsTruncated>${more}</IsTruncated>${more ? `<NextContinuationToken>${next}</NextContinuationToken>` : ""}`;
      return response.end(`<?xml version="1.0"?><ListBucketResult>${objects.join("")}${end}</ListBucketResult>`);
    }
    const key = pathname.slice("/bucket/".length);
    if (key === ".sourceignore") return response.writeHead(404).end("<Error><Code>NoSuchKey</Code></Error>");
    reads++;
    const bytes = bytesOf(key);
    return response.writeHead(200, { etag: `"${etagOf(bytes)}"` }).end(bytes);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the store has no port");
  try {
    const program = join(import.meta.dirname, "bucket-process.ts");
    const { stdout } = await run(process.execPath, [program, `127.0.0.1:${address.port}`]);
    const { list, fetch, change, peakOfFirst, peak, objects }: Measured = JSON.parse(stdout);
    if (objects !== count) throw new Error(`${objects} of ${count} objects were fetched`);
    return [
      { name: "10,000 objects: listed", value: list, unit: "s" },
      { name: "10,000 objects, 117 MiB: fetched and archived", value: fetch, unit: "s", atMost: 60 },
      { name: "one changed: listed, fetched and archived", value: change, unit: "s" },
      { name: "one changed: objects read", value: reads, unit: "", atMost: 1 },
      { name: "peak memory of the first", value: peakOfFirst, unit: "MB", atMost: 512 },
      { name: "peak memory of both", value: peak, unit: "MB", atMost: 512 },
    ];
  } finally {
    server.close();
    server.closeAllConnections();
  }
}

/** Seconds, megabytes of peaks. */
type Measured = { list: number; fetch: number; change: number; peakOfFirst: number; peak: number; objects: number };

/** Bytes that do not compress. */
function contentOf(seed: string): Buffer {
  const key = createHash("sha256").update(seed).digest();
  return createCipheriv("aes-256-ctr", key, Buffer.alloc(16)).update(Buffer.alloc(size));
}

function etagOf(bytes: Buffer): string {
  return createHash("md5").update(bytes.subarray(0, 128)).digest("hex");
}
