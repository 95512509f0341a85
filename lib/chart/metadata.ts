import { messageOf } from "../text/error-message.ts";
import { aliasedSize, parseYamlDocuments, yamlProblem } from "../text/yaml.ts";
import type { ChartFile } from "./archive.ts";
import { type Decoded, decodeStruct } from "./index-decode.ts";
import { lock, metadata, type Shape } from "./index-shape.ts";
import { objectionTo } from "./index-validate.ts";

/** A chart's metadata as `Chart.yaml` has it; fields without a value are absent. */
export type ChartMetadata = Decoded & { name: string; version: string; apiVersion: string };

/** A dependency of a chart, or of its lock file. */
export type ChartDependency = { name: string; version: string; repository: string; alias: string };

/** A chart's lock file. */
export type ChartLock = Decoded;

/** Characters that the aliases of a metadata file may make of it. */
const aliasBudget = 5 * 1024 * 1024;

/**
 * The metadata among a chart's files: `Chart.yaml`, and `requirements.yaml` for charts of API v1 (HC-030). It is valid as Helm says
 * (`chart.Metadata.Validate`) and cleaned. Throws with a sentence where there is none or it is not valid.
 */
export function readMetadata(files: readonly ChartFile[]): ChartMetadata {
  const decoded = mergeMetadata(files);
  const { apiVersion } = decoded;
  const objection = apiVersion === undefined ? "chart.metadata.apiVersion is required" : objectionTo(decoded);
  if (objection !== undefined) throw new Error(`validation: ${objection}`);
  const twice = repeatedDependency(decoded);
  if (twice !== undefined)
    throw new Error(`validation: more than one dependency with name or alias ${JSON.stringify(twice)}`);
  if (!isMetadata(decoded)) throw new Error("validation: chart.metadata is required");
  return decoded;
}

/** `requirements.yaml` is read over what `Chart.yaml` says. */
function mergeMetadata(files: readonly ChartFile[]): Decoded {
  let decoded: Decoded | undefined;
  for (const name of ["Chart.yaml", "requirements.yaml"]) {
    for (const file of files) {
      if (file.name !== name) continue;
      decoded = { ...decoded, ...readStruct(file, metadata) };
      if (decoded.apiVersion === undefined || decoded.apiVersion === "") decoded.apiVersion = "v1";
    }
    if (decoded === undefined) throw new Error("no 'Chart.yaml' found");
  }
  return decoded ?? {};
}

/** Reads a lock file: `Chart.lock`, or `requirements.lock` of API v1. */
export function readLock(file: ChartFile): ChartLock {
  return readStruct(file, lock) ?? {};
}

function readStruct({ name, content }: ChartFile, shape: Shape & { kind: "struct" }): Decoded | undefined {
  try {
    const text = content.toString("utf8");
    if (aliasedSize(text) > aliasBudget) throw new Error("document contains excessive aliasing");
    const [document] = parseYamlDocuments(text);
    const budget = { left: Math.max(aliasBudget, 2 * text.length) };
    return decodeStruct(document, shape, "", { source: "loose-yaml", budget });
  } catch (error) {
    const told = error instanceof Error && error.name === "YAMLException" ? yamlProblem(error) : messageOf(error);
    throw new Error(`cannot load ${name}: ${told.replace(/^the index /, "the file ")}`, { cause: error });
  }
}

function isMetadata(decoded: Decoded): decoded is ChartMetadata {
  return ["name", "version", "apiVersion"].every((field) => typeof decoded[field] === "string");
}

function repeatedDependency(decoded: Decoded): string | undefined {
  const known = new Set<string>();
  for (const dependency of dependenciesIn(decoded)) {
    const key = dependency.alias === "" ? dependency.name : dependency.alias;
    if (known.has(key)) return key;
    known.add(key);
  }
  return undefined;
}

/** What a chart, or its lock file, depends on, in order. */
export function dependenciesIn({ dependencies }: Decoded): ChartDependency[] {
  if (!Array.isArray(dependencies)) return [];
  return dependencies
    .filter((item: unknown): item is Decoded => typeof item === "object" && item !== null)
    .map((item) => ({
      name: textOf(item.name),
      version: textOf(item.version),
      repository: textOf(item.repository),
      alias: textOf(item.alias),
    }));
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}

/**
 * A decoded struct as a plain value that is marshalled as Go does: what is empty is left out unless the type keeps it, and a list
 * that is kept and absent is null.
 */
export function plainStruct(value: Decoded, shape: Shape & { kind: "struct" }): Record<string, unknown> {
  const entries: [string, unknown][] = [];
  for (const [name, field] of shape.fields) {
    const plain = plainValue(value[name], field.shape);
    if (field.kept) entries.push([name, plain ?? (field.shape.kind === "string" ? "" : null)]);
    else if (!isEmpty(plain)) entries.push([name, plain]);
  }
  return Object.fromEntries(entries);
}

function plainValue(value: unknown, shape: Shape): unknown {
  if (value === undefined || value === null) return undefined;
  if (shape.kind === "list" && Array.isArray(value))
    return value.map((item: unknown) => plainValue(item, shape.of) ?? null);
  if (shape.kind === "struct" && typeof value === "object") return plainStruct({ ...value }, shape);
  return plainAny(value);
}

function plainAny(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(plainAny);
  if (!(value instanceof Map)) return value;
  return Object.fromEntries([...value].map(([key, item]) => [String(key), plainAny(item)]));
}

function isEmpty(value: unknown): boolean {
  if (value === undefined || value === null || value === "" || value === false) return true;
  return typeof value === "object" && Object.keys(value).length === 0;
}
