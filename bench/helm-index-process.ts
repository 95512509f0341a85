/** One measurement in a process of its own: fetches the index of the repository that it is given and makes of it what is stored. */
import { fetchIndex } from "../lib/chart/download.ts";
import { formatIndex, parseIndex, readStoredIndex } from "../lib/chart/helm-index.ts";

const [url = ""] = process.argv.slice(2);
const size = 50 * 1024 * 1024;
const repository = { url, outbound: {}, passCredentials: false };
const start = performance.now();
const { bytes } = (await fetchIndex(repository, {}, size, AbortSignal.timeout(60_000))) ?? { bytes: Buffer.alloc(0) };
const fetched = performance.now();
const json = formatIndex(parseIndex(bytes, { size }));
const parsed = performance.now();
const stored = readStoredIndex(json);
const name = stored.names().at(-1) ?? "";
const opening = performance.now();
const versions = stored.versions(name)?.length ?? 0;
const opened = performance.now();
console.log(
  JSON.stringify({
    fetch: (fetched - start) / 1000,
    parse: (parsed - fetched) / 1000,
    open: opened - opening,
    peak: process.resourceUsage().maxRSS / 1024,
    versions,
  }),
);
process.exit(0);
