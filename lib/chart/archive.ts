import { createGunzip } from "node:zlib";
import { extract } from "tar-stream";
import { isEntrySize } from "../platform/archive/entry-size.ts";

/** A file of a chart. The name is relative to the chart, separated by `/`. */
export type ChartFile = { name: string; content: Buffer };

/** Bounds of packaged charts in bytes (`--helm-chart-max-size`, `--helm-chart-file-max-size`, DEF-002). */
export type ChartLimits = { chart: number; file: number };

/** Flux's defaults (ART-019). */
export const chartLimits: ChartLimits = { chart: 10 * 1024 * 1024, file: 5 * 1024 * 1024 };

/** Bytes of all that a chart's archive may hold once unpacked, as in Helm. */
const unpackedLimit = 100 * 1024 * 1024;
/** Entries of an archive. */
const entryLimit = 200_000;
const byteOrderMark = Buffer.from([0xef, 0xbb, 0xbf]);

/**
 * Reads the files of a packaged chart, in the archive's order (HC-015): a gzip of a tar, every name within one directory. Links and
 * devices are files without content, as Helm has them, so nothing outside is ever read. Throws with Helm's sentence where it is
 * no such archive or beyond a limit.
 */
export async function readChartArchive(
  archive: Uint8Array,
  limits: ChartLimits,
  signal?: AbortSignal,
): Promise<ChartFile[]> {
  if (archive.length > limits.chart)
    throw new Error(`size of chart exceeds '${limits.chart}' bytes limit: it has ${archive.length} bytes`);
  const files: ChartFile[] = [];
  const bounds: TarBounds = {
    unpacked: unpackedLimit,
    tooLarge: `decompressed chart is larger than the maximum size ${unpackedLimit}`,
    ...(signal === undefined ? {} : { signal }),
  };
  await visitTarGz(archive, bounds, ({ name, type, size }) => {
    if (type === "directory" || name.endsWith("/")) return undefined;
    const inner = nameInChart(name);
    if (size > limits.file)
      throw new Error(
        `decompressed chart file ${JSON.stringify(name)} is larger than the maximum file size ${limits.file}`,
      );
    return (content) => files.push({ name: inner, content: withoutMark(content) });
  });
  if (files.length === 0) throw new Error("no files in chart archive");
  return files;
}

/** A text's bytes without the byte order mark at their start. */
export function withoutMark(content: Buffer): Buffer {
  return content.subarray(0, 3).equals(byteOrderMark) ? content.subarray(3) : content;
}

/** An entry of a tar. */
export type TarHeader = { name: string; type: string; size: number };

/** What a tar may cost: bytes once unpacked, and what is said beyond them. */
export type TarBounds = { unpacked: number; tooLarge: string; signal?: AbortSignal };

/**
 * Goes through a tar.gz as a stream: at no time more of it is unpacked than what `visit` asks for by returning a function that takes
 * the content. What `visit` throws ends it.
 */
export async function visitTarGz(
  archive: Uint8Array,
  bounds: TarBounds,
  visit: (header: TarHeader) => ((content: Buffer) => void) | undefined,
): Promise<void> {
  if (archive[0] !== 0x1f || archive[1] !== 0x8b)
    throw new Error(archive.length === 0 ? "EOF" : "gzip: invalid header");
  const gunzip = createGunzip();
  const entries = extract();
  let unpacked = 0;
  let failure: Error | undefined;
  const end = (error: Error) => {
    failure ??= error;
    gunzip.destroy();
    entries.destroy(error);
  };
  const abort = () => end(bounds.signal?.reason instanceof Error ? bounds.signal.reason : new Error("aborted"));
  bounds.signal?.throwIfAborted();
  bounds.signal?.addEventListener("abort", abort, { once: true });
  gunzip.on("error", (error) => end(new Error(`gzip: ${error.message}`, { cause: error })));
  gunzip.on("data", (chunk: Buffer) => {
    unpacked += chunk.length;
    if (unpacked > bounds.unpacked) end(new Error(bounds.tooLarge));
  });
  gunzip.pipe(entries);
  gunzip.end(archive);
  let count = 0;
  try {
    for await (const entry of entries) {
      if (++count > entryLimit) throw new Error(`archive has more than ${entryLimit} entries`);
      const { name, type, size = 0 } = entry.header;
      if (!isEntrySize(size)) throw new Error("archive/tar: invalid tar header");
      const take = visit({ name, type: type ?? "file", size });
      if (take === undefined) {
        entry.resume();
        continue;
      }
      const chunks: Buffer[] = [];
      for await (const chunk of entry) if (Buffer.isBuffer(chunk)) chunks.push(chunk);
      take(Buffer.concat(chunks));
    }
    if (failure !== undefined) throw failure;
  } catch (error) {
    throw failure ?? error;
  } finally {
    bounds.signal?.removeEventListener("abort", abort);
    gunzip.destroy();
    entries.destroy();
  }
}

/** The name below the archive's one directory; archives of Windows have backslashes. Throws for names that lead out of it. */
function nameInChart(name: string): string {
  const delimiter = name.includes("\\") ? "\\" : "/";
  const [base, ...rest] = name.split(delimiter);
  const path = rest.join("/");
  if (path.startsWith("/")) throw new Error("chart illegally contains absolute paths");
  const clean = cleanPath(path);
  if (clean === ".")
    throw new Error(`chart illegally contains content outside the base directory: ${JSON.stringify(name)}`);
  if (clean.startsWith("..")) throw new Error("chart illegally references parent directory");
  if (/^[a-zA-Z]:\//.test(clean)) throw new Error("chart contains illegally named files");
  if (base === "Chart.yaml") throw new Error("chart yaml not in base directory");
  return clean;
}

/** Go's `path.Clean` of a relative path. */
export function cleanPath(path: string): string {
  const kept: string[] = [];
  for (const segment of path.split("/")) {
    if (segment === "" || segment === ".") continue;
    if (segment === ".." && kept.length > 0 && kept.at(-1) !== "..") kept.pop();
    else kept.push(segment);
  }
  return kept.length === 0 ? "." : kept.join("/");
}
