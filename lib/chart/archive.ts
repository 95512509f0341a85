import { ArchiveError, type TarEntry, tarEntries } from "../platform/archive/tar-entries.ts";

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
  signal: AbortSignal = new AbortController().signal,
): Promise<ChartFile[]> {
  if (archive.length > limits.chart)
    throw new Error(`size of chart exceeds '${limits.chart}' bytes limit: it has ${archive.length} bytes`);
  const files: ChartFile[] = [];
  const tooLarge = `decompressed chart is larger than the maximum size ${unpackedLimit}`;
  for await (const { name, type, size, content } of chartEntries(
    archive,
    { unpacked: unpackedLimit, tooLarge },
    signal,
  )) {
    if (type === "directory" || name.endsWith("/")) continue;
    const inner = nameInChart(name);
    if (size > limits.file)
      throw new Error(
        `decompressed chart file ${JSON.stringify(name)} is larger than the maximum file size ${limits.file}`,
      );
    files.push({ name: inner, content: withoutMark(await wholeOf(content())) });
  }
  if (files.length === 0) throw new Error("no files in chart archive");
  return files;
}

/** A text's bytes without the byte order mark at their start. */
export function withoutMark(content: Buffer): Buffer {
  return content.subarray(0, 3).equals(byteOrderMark) ? content.subarray(3) : content;
}

/**
 * The entries of a tar.gz, of which at no time more is unpacked than what is read. Throws in the words of Go and Helm; `tooLarge` is what
 * is said of more than `unpacked` bytes.
 */
export async function* chartEntries(
  archive: Uint8Array,
  { unpacked, tooLarge }: { unpacked: number; tooLarge: string },
  signal: AbortSignal,
): AsyncGenerator<TarEntry, void, undefined> {
  if (archive[0] !== 0x1f || archive[1] !== 0x8b)
    throw new Error(archive.length === 0 ? "EOF" : "gzip: invalid header");
  const words = (error: ArchiveError): string => {
    if (error.what === "gzip") return `gzip: ${error.message}`;
    if (error.what === "header") return "archive/tar: invalid tar header";
    return error.what === "too-large" ? tooLarge : error.message;
  };
  async function* inWords<T>(read: AsyncIterable<T>): AsyncGenerator<T, void, undefined> {
    try {
      yield* read;
    } catch (error) {
      throw error instanceof ArchiveError ? new Error(words(error), { cause: error }) : error;
    }
  }
  for await (const entry of inWords(tarEntries(archive, { unpacked, entries: entryLimit }, signal)))
    yield { ...entry, content: () => inWords(entry.content()) };
}

/** The content of an entry. */
export async function wholeOf(content: AsyncIterable<Buffer>): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of content) parts.push(part);
  return Buffer.concat(parts);
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
