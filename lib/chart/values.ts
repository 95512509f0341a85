import { isFields } from "../text/fields.ts";
import { formatGoYaml } from "../text/go-yaml.ts";
import { aliasedSize, parseYamlDocuments, yamlProblem } from "../text/yaml.ts";
import type { ChartFile } from "./archive.ts";
import { cleanPath } from "./archive.ts";
import type { Chart } from "./load.ts";

/** Values of a chart: maps, lists and scalars as JSON has them. */
export type Values = { [key: string]: unknown };

/** What merging made, and the files that it was made of, as they were named. */
export type MergedValues = { values: Values; files: string[] };

/** Characters that aliases may make of a values file. */
const aliasBudget = 16 * 1024 * 1024;

/**
 * Reads the values of all documents of a file, the later over the earlier. Throws with a sentence that holds nothing of the file:
 * values may be secrets.
 */
export function readValues(content: Uint8Array, name: string): Values {
  return documentsOf(content, name).reduce<Values>((merged, document) => mergeValues(merged, document), {});
}

/** Reads the first document of a values file, as `sigs.k8s.io/yaml.Unmarshal` does. */
export function readValuesFile(content: Uint8Array, name: string): Values {
  return documentsOf(content, name)[0] ?? {};
}

function documentsOf(content: Uint8Array, name: string): Values[] {
  const text = Buffer.from(content.buffer, content.byteOffset, content.byteLength).toString("utf8");
  if (aliasedSize(text) > aliasBudget) throw unreadable(name, "document contains excessive aliasing");
  let documents: unknown[];
  try {
    documents = parseYamlDocuments(text);
  } catch (error) {
    throw unreadable(name, yamlProblem(error), error);
  }
  return documents.map((document) => {
    if (document === null || document === undefined) return {};
    const value = asJson(document, name);
    if (!isFields(value)) throw unreadable(name, "the document is no map");
    return value;
  });
}

/** What goes through JSON on its way: integers become floating point numbers, and some numbers have no way. */
function asJson(value: unknown, name: string): unknown {
  if (typeof value === "bigint") return Number(value);
  if (typeof value === "number" && !Number.isFinite(value)) throw unreadable(name, "a number is not one of JSON");
  if (Array.isArray(value)) return value.map((item: unknown) => asJson(item, name));
  if (!isFields(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, asJson(item, name)]));
}

function unreadable(name: string, words: string, cause?: unknown): Error {
  return new Error(`unmarshaling values from '${name}' failed: ${words}`, { cause });
}

/** Merges values as Flux's `transform.MergeMaps` does (HC-040): maps deep, everything else, null too, replaced by the later. */
export function mergeValues(earlier: Values, later: Values): Values {
  const merged = new Map(Object.entries(earlier));
  for (const [key, value] of Object.entries(later)) {
    const known = merged.get(key);
    merged.set(key, isFields(value) && isFields(known) ? mergeValues(known, value) : value);
  }
  return Object.fromEntries(merged);
}

/**
 * Merges files of a packaged chart (HC-040, HC-043): `values.yaml` in any spelling means the chart's own values. An empty file is as
 * if it were not there, as in Flux. Throws with a sentence for a missing file unless those are ignored.
 */
export function mergeChartValues(chart: Chart, paths: readonly string[], ignoreMissing: boolean): MergedValues {
  const merged: MergedValues = { values: {}, files: [] };
  for (const path of paths) {
    const name = cleanPath(path);
    if (name === "values.yaml") {
      merged.values = mergeValues(merged.values, chart.values);
      merged.files.push(path);
      continue;
    }
    const file = path.startsWith("/") ? undefined : chart.files.find((known) => known.name === name);
    if (file === undefined || file.content.length === 0) {
      if (ignoreMissing) continue;
      throw new Error(`no values file found at path '${path}'`);
    }
    merged.values = mergeValues(merged.values, readValuesFile(file.content, path));
    merged.files.push(path);
  }
  return merged;
}

/**
 * Merges files of a source (HC-040, HC-043, HC-044). `read` finds a file by its path within the source, which never leads out of it.
 */
export function mergeFileValues(
  read: (path: string) => ChartFile | undefined,
  paths: readonly string[],
  ignoreMissing: boolean,
): MergedValues {
  const merged: MergedValues = { values: {}, files: [] };
  for (const path of paths) {
    const confined = confinedPath(path);
    const file = read(confined);
    if (file === undefined) {
      if (ignoreMissing) continue;
      throw new Error(`no values file found at path '/${confined}' (reference '${path}')`);
    }
    merged.values = mergeValues(merged.values, readValuesFile(file.content, path));
    merged.files.push(path);
  }
  return merged;
}

/** A path within a source that cannot lead out of it, as `securejoin` joins: `..` at the root stays there. Empty for the root. */
export function confinedPath(path: string): string {
  const kept: string[] = [];
  for (const segment of path.split("/")) {
    if (segment === "..") kept.pop();
    else if (segment !== "" && segment !== ".") kept.push(segment);
  }
  return kept.join("/");
}

/** HC-041: values files that come to the chart's own values alone are as if there were none. */
export function effectiveValuesFiles(paths: readonly string[]): readonly string[] {
  return paths.length === 1 && !paths[0]?.startsWith("/") && cleanPath(paths[0] ?? "") === "values.yaml" ? [] : paths;
}

/**
 * Puts merged values in the place of a chart's `values.yaml`, written as `sigs.k8s.io/yaml.Marshal` does, nothing for no values.
 * False where the file has that very content already: it is left as it is, comments and all. Throws where the chart has none.
 */
export function overwriteValues(chart: Chart, values: Values): boolean {
  if (chart.valuesFile === undefined) throw new Error("failed to locate values file: values.yaml");
  const content = Buffer.from(Object.keys(values).length === 0 ? "" : formatGoYaml(values));
  if (content.equals(chart.valuesFile)) return false;
  chart.valuesFile = content;
  chart.values = values;
  return true;
}
