import { messageOf } from "../text/error-message.ts";
import { type ChartFile, type ChartLimits, readChartArchive } from "./archive.ts";
import { type ChartLock, type ChartMetadata, readLock, readMetadata } from "./metadata.ts";
import { readValues, type Values } from "./values.ts";

/** A chart in memory, as Helm's chart v2 has it. */
export type Chart = {
  metadata: ChartMetadata;
  lock: ChartLock | undefined;
  /** The default values, of all documents of `values.yaml`. */
  values: Values;
  /** `values.yaml` as it is, comments and all; undefined where the chart has none. */
  valuesFile: Buffer | undefined;
  /** `values.schema.json`. */
  schema: Buffer | undefined;
  templates: ChartFile[];
  /** Everything else, CRDs too. */
  files: ChartFile[];
  dependencies: Chart[];
  /** The directory below `charts/` that it is packaged into, where that is not its name. */
  directory?: string;
};

/** Levels of charts within charts. */
const depthLimit = 16;

/** Loads a packaged chart. Throws with a sentence where it is none or not valid (HC-015). */
export async function loadArchive(
  archive: Uint8Array,
  limits: ChartLimits,
  signal?: AbortSignal,
  depth = 0,
): Promise<Chart> {
  return loadFiles(await readChartArchive(archive, limits, signal), limits, signal, depth);
}

/**
 * Sorts a chart's files into what Helm makes of them. Vendored charts are directories or archives below `charts/`; what begins
 * with `_` or `.` there is none. Throws with a sentence where the chart or one of them is not valid.
 */
export async function loadFiles(
  files: readonly ChartFile[],
  limits: ChartLimits,
  signal?: AbortSignal,
  depth = 0,
): Promise<Chart> {
  if (depth > depthLimit) throw new Error(`charts are nested deeper than ${depthLimit} levels`);
  if (!files.some(({ name }) => name === "Chart.yaml")) throw new Error("Chart.yaml file is missing");
  const metadata = readMetadata(files);
  const isV1 = metadata.apiVersion === "v1";
  const chart: Chart = {
    metadata,
    lock: undefined,
    values: {},
    valuesFile: undefined,
    schema: undefined,
    templates: [],
    files: [],
    dependencies: [],
  };
  const vendored = new Map<string, ChartFile[]>();
  for (const file of files) {
    const { name, content } = file;
    if (name === "Chart.yaml") continue;
    if (name === "Chart.lock") chart.lock = readLock(file);
    else if (name === "values.yaml") {
      chart.valuesFile = content;
      chart.values = readValues(content, name);
    } else if (name === "values.schema.json") chart.schema = content;
    else if (name === "requirements.yaml" || name === "requirements.lock") {
      if (name === "requirements.lock") chart.lock = readLock(file);
      if (isV1) chart.files.push(file);
    } else if (name.startsWith("templates/")) chart.templates.push(file);
    else if (name.startsWith("charts/") && !name.endsWith(".prov")) {
      const inner = name.slice("charts/".length);
      const first = inner.split("/", 1)[0] ?? "";
      vendored.set(first, [...(vendored.get(first) ?? []), { name: inner, content }]);
    } else chart.files.push(file);
  }
  for (const [name, parts] of vendored) {
    if (/^[_.]/.test(name)) continue;
    try {
      chart.dependencies.push(await loadVendored(name, parts, limits, signal, depth + 1));
    } catch (error) {
      const told = messageOf(error);
      throw new Error(`error unpacking subchart ${name} in ${metadata.name}: ${told}`, { cause: error });
    }
  }
  return chart;
}

function loadVendored(
  name: string,
  parts: readonly ChartFile[],
  limits: ChartLimits,
  signal: AbortSignal | undefined,
  depth: number,
): Promise<Chart> {
  if (name.endsWith(".tgz")) {
    const [archive] = parts;
    if (archive === undefined || archive.name !== name)
      throw new Error(`expected ${name}, got ${archive?.name ?? "nothing"}`);
    return loadArchive(archive.content, limits, signal, depth);
  }
  const inner = parts.flatMap(({ name: path, content }) => {
    const slash = path.indexOf("/");
    return slash < 0 ? [] : [{ name: path.slice(slash + 1), content }];
  });
  return loadFiles(inner, limits, signal, depth);
}
