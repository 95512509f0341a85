import {
  defineScalarTag,
  dump,
  FAILSAFE_SCHEMA,
  loadAll,
  mergeTag,
  NOT_RESOLVED,
  nullYaml11Tag,
  Schema,
  YAMLException,
} from "js-yaml";

const truths = new Set(["y", "Y", "yes", "Yes", "YES", "on", "On", "ON", "true", "True", "TRUE"]);
const falsehoods = new Set(["n", "N", "no", "No", "NO", "off", "Off", "OFF", "false", "False", "FALSE"]);

const boolean = defineScalarTag("tag:yaml.org,2002:bool", {
  implicit: true,
  resolve: (source) => (truths.has(source) ? true : falsehoods.has(source) ? false : NOT_RESOLVED),
  identify: (data) => typeof data === "boolean",
});

const largestInteger = 2n ** 64n - 1n;
const smallestInteger = -(2n ** 63n);

const integer = defineScalarTag("tag:yaml.org,2002:int", {
  implicit: true,
  resolve: (source) => {
    if (!/^[-+]?[0-9]/.test(source)) return NOT_RESOLVED;
    const match = /^([-+]?)(0[bB][01]+|0[xX][0-9a-fA-F]+|0[oO]?[0-7]+|0|[1-9][0-9]*)$/.exec(source.replaceAll("_", ""));
    if (match?.[2] === undefined) return NOT_RESOLVED;
    const digits = match[2];
    const magnitude = BigInt(/^0[0-7]/.test(digits) ? `0o${digits.slice(1)}` : digits);
    const value = match[1] === "-" ? -magnitude : magnitude;
    // Go has no wider integer: beyond 64 bits a number in decimal digits is a float, any other a string.
    if (value > largestInteger || value < smallestInteger) return NOT_RESOLVED;
    return value >= Number.MIN_SAFE_INTEGER && value <= Number.MAX_SAFE_INTEGER ? Number(value) : value;
  },
  identify: (data) => typeof data === "bigint" || Number.isInteger(data),
});

const float = defineScalarTag("tag:yaml.org,2002:float", {
  implicit: true,
  resolve: (source) => {
    const plain = /^[-+0-9]/.test(source) ? source.replaceAll("_", "") : source;
    if (/^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$/.test(plain)) {
      // Go takes what no float can hold for text.
      return Number.isFinite(Number(plain)) ? Number(plain) : NOT_RESOLVED;
    }
    if (/^\+?\.(inf|Inf|INF)$/.test(source)) return Number.POSITIVE_INFINITY;
    if (/^-\.(inf|Inf|INF)$/.test(source)) return Number.NEGATIVE_INFINITY;
    return /^\.(nan|NaN|NAN)$/.test(source) ? Number.NaN : NOT_RESOLVED;
  },
  identify: (data) => typeof data === "number",
});

/** The scalars of go-yaml v2, which sigs.k8s.io/yaml reads Kubernetes manifests with (KS-118). */
const kubernetes = new Schema([...FAILSAFE_SCHEMA.tags, nullYaml11Tag, boolean, integer, float, mergeTag]);

/** Longest text that is parsed, in characters. */
const sizeLimit = 64 * 1024 * 1024;

/**
 * Reads a stream of YAML documents as Kubernetes does: YAML 1.1 scalars as go-yaml resolves them, no timestamps, the last
 * of equal keys wins. Integers beyond 2^53 are BigInt. Depth, aliases and merges are bounded. Throws where it is no YAML.
 */
export function parseYamlDocuments(text: string): unknown[] {
  if (text.length > sizeLimit)
    throw new Error(`YAML of ${text.length} characters is larger than the limit of ${sizeLimit}`);
  if (text.trim() === "") return [];
  return loadAll(text, { schema: kubernetes, json: true, maxDepth: 256, maxAliases: 1000, maxTotalMergeKeys: 10_000 });
}

/**
 * Reads the first document of a stream as `sigs.k8s.io/yaml.UnmarshalStrict` does: like `parseYamlDocuments`, but equal keys are an
 * error. Undefined where there is none. Throws where it is no YAML.
 */
export function parseStrictYaml(text: string): unknown {
  if (text.trim() === "") return undefined;
  return loadAll(text, {
    schema: kubernetes,
    json: false,
    maxDepth: 256,
    maxAliases: 1000,
    maxTotalMergeKeys: 10_000,
  })[0];
}

/**
 * What is wrong with a text that `parseYamlDocuments` has refused, and in which line, without anything of the text itself: it may
 * hold secrets.
 */
export function yamlProblem(error: unknown): string {
  if (!(error instanceof YAMLException)) return error instanceof RangeError ? "nests too deep" : "cannot be read";
  const reason = error.reason.replace(/[\s:]*[!<>"'`(].*$/s, "");
  return error.mark === undefined ? reason : `line ${error.mark.line + 1}: ${reason}`;
}

/**
 * How many characters a stream of YAML grows by, about, where a program puts copies in the place of aliases. 0 where there are
 * none, or the text is no YAML; Infinity where it nests deeper than can be followed.
 */
export function aliasedSize(text: string): number {
  // An alias needs both characters; most texts lack one.
  if (!/&[^\s,[\]{}]/.test(text) || !/\*[^\s,[\]{}]/.test(text)) return 0;
  try {
    const bounds = { maxDepth: 1000, maxAliases: -1, maxTotalMergeKeys: -1 };
    const documents = loadAll(text, { schema: kubernetes, json: true, ...bounds });
    const sizes = new Map<object, number>();
    const size = documents.reduce<number>((total, document) => total + sizeOf(document, sizes), 0);
    return Math.max(size - text.length, 0);
  } catch (error) {
    return error instanceof RangeError || String(error).includes("exceeded maxDepth") ? Number.POSITIVE_INFINITY : 0;
  }
}

/** Characters of a value, each with one that parts it from the next. What is met again is not counted again but added again. */
function sizeOf(value: unknown, sizes: Map<object, number>): number {
  if (typeof value !== "object" || value === null) return String(value).length + 1;
  const known = sizes.get(value);
  if (known !== undefined) return known;
  // A value within itself has no end.
  sizes.set(value, Number.POSITIVE_INFINITY);
  let size = 1;
  for (const [key, part] of Object.entries(value)) {
    size += sizeOf(part, sizes) + (Array.isArray(value) ? 0 : key.length + 1);
  }
  sizes.set(value, size);
  return size;
}

/** Writes one YAML document that `parseYamlDocuments` and go-yaml read back as the same value. */
export function formatYaml(value: unknown): string {
  return dump(value, { noRefs: true, skipInvalid: true, lineWidth: -1 });
}

/** Writes a stream of documents, separated by `---`. */
export function formatYamlDocuments(values: readonly unknown[]): string {
  return values.map(formatYaml).join("---\n");
}
