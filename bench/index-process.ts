/** One measurement in a process of its own: reads the index in the file that it is given and formats it as it is stored. */
import { readFile } from "node:fs/promises";
import { formatIndex, parseIndex, readStoredIndex } from "../lib/chart/index.ts";

const [path = ""] = process.argv.slice(2);
const bytes = await readFile(path);
const start = performance.now();
const json = formatIndex(parseIndex(bytes, { size: bytes.length }));
const parsed = performance.now();
const stored = readStoredIndex(json);
const name = stored.names().at(-1) ?? "";
const opening = performance.now();
const versions = stored.versions(name)?.length ?? 0;
const opened = performance.now();
const peak = process.resourceUsage().maxRSS / 1024;
console.log(JSON.stringify({ seconds: (parsed - start) / 1000, milliseconds: opened - opening, peak, versions }));
