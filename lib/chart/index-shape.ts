/**
 * The types of a repository's index as Helm 4 declares them (`repo.IndexFile`, `repo.ChartVersion`, `chart.Metadata`), and how
 * Go's decoders fill them: strict for YAML (`sigs.k8s.io/yaml.UnmarshalStrict`), lenient for JSON (`encoding/json.Unmarshal`) (HR-005).
 */

/** A type of Go's, as far as the index has it. */
export type Shape =
  | { kind: "string" | "boolean" | "time" | "any" }
  | { kind: "list" | "map"; of: Shape }
  | { kind: "struct"; fields: ReadonlyMap<string, Field> };

/** A field under its name in JSON. `kept`: it is written where it is empty, too. `promoted`: it is of the embedded metadata. */
type Field = { shape: Shape; kept: boolean; promoted: boolean };

const string: Shape = { kind: "string" };
const boolean: Shape = { kind: "boolean" };
const time: Shape = { kind: "time" };
const anything: Shape = { kind: "any" };
const listOf = (of: Shape): Shape => ({ kind: "list", of });
const mapOf = (of: Shape): Shape => ({ kind: "map", of });

function struct(fields: Record<string, Shape>, kept: readonly string[] = []): Shape & { kind: "struct" } {
  const entries = Object.entries(fields).map(([name, shape]): [string, Field] => [
    name,
    { shape, kept: kept.includes(name), promoted: false },
  ]);
  return { kind: "struct", fields: new Map(entries) };
}

const maintainer = struct({ name: string, email: string, url: string });

const dependency = struct(
  {
    name: string,
    version: string,
    repository: string,
    condition: string,
    tags: listOf(string),
    enabled: boolean,
    "import-values": listOf(anything),
    alias: string,
  },
  ["name", "repository"],
);

/** `chart.Metadata`, in the order of its fields. */
export const metadata = struct({
  name: string,
  home: string,
  sources: listOf(string),
  version: string,
  description: string,
  keywords: listOf(string),
  maintainers: listOf(maintainer),
  icon: string,
  apiVersion: string,
  condition: string,
  tags: string,
  appVersion: string,
  deprecated: boolean,
  annotations: mapOf(string),
  kubeVersion: string,
  dependencies: listOf(dependency),
  type: string,
});

/** `chart.Lock`. */
export const lock = struct({ generated: time, digest: string, dependencies: listOf(dependency) }, [
  "generated",
  "digest",
  "dependencies",
]);

const own = struct(
  {
    urls: listOf(string),
    created: time,
    removed: boolean,
    digest: string,
    checksum: string,
    engine: string,
    tillerVersion: string,
    url: string,
  },
  ["urls", "created"],
);

/** `repo.ChartVersion`: the fields of the metadata, then its own. */
export const chartVersion: Shape & { kind: "struct" } = {
  kind: "struct",
  fields: new Map([
    ...[...metadata.fields].map(([name, field]): [string, Field] => [name, { ...field, promoted: true }]),
    ...own.fields,
  ]),
};

/** `repo.IndexFile`, in the order of its fields. */
export const indexFile = struct(
  {
    serverInfo: mapOf(anything),
    apiVersion: string,
    generated: time,
    entries: mapOf(listOf(chartVersion)),
    publicKeys: listOf(string),
    annotations: mapOf(string),
  },
  ["apiVersion", "generated", "entries"],
);

/** The field that Go's decoder chooses for a key: the one of that name, else one that differs in case alone. */
export function fieldOf(fields: ReadonlyMap<string, Field>, key: string): [name: string, field: Field] | undefined {
  const exact = fields.get(key);
  if (exact !== undefined) return [key, exact];
  const folded = fold(key);
  for (const entry of fields) if (fold(entry[0]) === folded) return entry;
  return undefined;
}

/** ASCII case, and the two letters beyond it that fold to one of ASCII. */
function fold(key: string): string {
  return key.replace(/[A-Z\u017f\u212a]/g, (letter) =>
    letter === "\u017f" ? "s" : letter === "\u212a" ? "k" : letter.toLowerCase(),
  );
}

/**
 * What a scalar of YAML that is no string is decoded for, which decides whether it becomes one. For a field that is promoted the
 * decoder looks at the embedded struct instead of the field, and leaves numbers as they are: they then fail as Helm's do.
 */
export function fieldTarget(target: Shape | undefined, key: string): Shape | undefined {
  if (target?.kind === "map") return target.of;
  if (target?.kind !== "struct") return undefined;
  const field = fieldOf(target.fields, key)?.[1];
  return field?.promoted === true ? metadata : field?.shape;
}
