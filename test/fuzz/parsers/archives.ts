import { gzipSync } from "node:zlib";
import { chartLimits, cleanPath, readChartArchive } from "../../../lib/chart/archive.ts";
import { readArchive } from "../../../lib/platform/archive/read-tar.ts";
import { ArchiveError } from "../../../lib/platform/archive/tar-entries.ts";
import { mutateTar, mutateTarGz } from "../mutate-tar.ts";
import { check, isSentence, type Parser } from "../parser.ts";

const never = new AbortController().signal;
const limits = { total: 64 * 1024, file: 16 * 1024, entries: 20 };

async function readAll(input: Buffer, compressed: boolean): Promise<void> {
  let [total, count] = [0, 0];
  for await (const entry of readArchive(input, limits, never, { compressed })) {
    count++;
    const parts = entry.path.split("/");
    const leadsOut = parts.some((part) => part === ".." || part === "." || part === "") || /[\0\\]/.test(entry.path);
    if (entry.type !== "link") check(!leadsOut, "a path leads out of the archive");
    if (entry.type === "file") total += entry.content.length;
  }
  check(total <= limits.total && count <= limits.entries, "more is unpacked than the limits say");
}

/** Both readers of archives. */
export const archiveParsers: readonly Parser[] = [
  {
    name: "tar",
    cost: "expensive",
    mutate: mutateTar,
    expects: (error) => error instanceof ArchiveError,
    run: (input) => readAll(input, false),
  },
  {
    name: "tar-gz",
    cost: "expensive",
    mutate: (corpus, words, random) => mutateTarGz(corpus, words, random),
    expects: (error) => error instanceof ArchiveError,
    run: (input) => readAll(input[0] === 0x1f ? input : gzipSync(input), true),
  },
  {
    name: "chart-archive",
    cost: "expensive",
    mutate: (corpus, words, random) => mutateTarGz(corpus, words, random),
    expects: isSentence,
    run: async (input) => {
      const files = await readChartArchive(input[0] === 0x1f ? input : gzipSync(input), {
        ...chartLimits,
        file: 16 * 1024,
      });
      for (const { name, content } of files) {
        const clean = cleanPath(name);
        check(
          clean === name && !name.startsWith("/") && !name.split("/").includes(".."),
          "a name leads out of the chart",
        );
        check(content.length <= 16 * 1024, "a file is larger than the limit");
      }
    },
  },
];
