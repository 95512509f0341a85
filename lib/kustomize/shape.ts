import { isFields } from "../text/fields.ts";

/**
 * The types that Go decodes a configuration into, as far as they matter for reading one: kustomize matches field names
 * without regard to case and refuses what it does not know, and a fence is only as good as its reading of the same text.
 * `free` stands for a value that is of no interest but for its being there.
 */
export type Shape = "text" | "flag" | "integer" | "free" | { list: Shape } | { map: Shape } | { fields: Fields };

/** The fields of a struct by their exact names. */
export type Fields = Readonly<Record<string, Shape>>;

/** A value as it is written out again: exact names only, nothing empty, no number that JSON cannot hold. */
export type Value = string | number | boolean | null | Value[] | { [field: string]: Value };

/** A struct after decoding. */
export type Struct = { [field: string]: Value };

/** A value that does not fit its type. The message is encoding/json's. */
export class DoesNotFit extends Error {
  constructor(message: string) {
    super(`json: ${message}`);
    this.name = "DoesNotFit";
  }
}

/**
 * How strict Go is: `strict` as encoding/json with unknown fields refused (how kustomize reads a kustomization), `lenient` as
 * sigs.k8s.io/yaml into a struct (how Flux reads the one at `spec.path`, and kustomize a plugin): unknown fields are dropped,
 * numbers and booleans become text where text is wanted.
 */
export type Reading = "strict" | "lenient";

/** Reads a parsed YAML value as a struct. Throws DoesNotFit. `name` is the struct's in Go, for messages. */
export function decodeStruct(value: unknown, fields: Fields, reading: Reading, name: string): Struct {
  if (value === null || value === undefined) return {};
  if (!isFields(value)) throw new DoesNotFit(`cannot unmarshal ${nameOf(value)} into Go value of type types.${name}`);
  return readFields(value, fields, reading, `${name}.`);
}

/** Writes a value as JSON that YAML reads as the same value: characters that YAML does not allow bare are escaped. */
export function writeStruct(value: Struct): string {
  return JSON.stringify(value).replace(
    /[\u007f-\u009f\u2028\u2029\ufeff\ufffe\uffff]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

function readFields(value: Record<string, unknown>, fields: Fields, reading: Reading, where: string): Struct {
  const names = foldedNames(fields);
  const result: Struct = {};
  const seen = new Set<string>();
  for (const [key, content] of Object.entries(value)) {
    const name = names.get(fold(key));
    const shape = name === undefined ? undefined : fields[name];
    if (name === undefined || shape === undefined) {
      if (reading === "strict") throw new DoesNotFit(`unknown field "${key}"`);
      continue;
    }
    if (seen.has(name)) throw new DoesNotFit(`field "${name}" is given more than once, in different case`);
    seen.add(name);
    const read = readValue(content, shape, reading, `${where}${name}`);
    if (read !== null) result[name] = read;
  }
  return result;
}

function readValue(value: unknown, shape: Shape, reading: Reading, where: string): Value {
  if (value === null || value === undefined) return null;
  if (shape === "text") return readText(value, reading, where);
  if (shape === "flag") return typeof value === "boolean" ? value : misfit(value, where, "bool");
  if (shape === "integer") {
    const whole = typeof value === "bigint" || (typeof value === "number" && Number.isInteger(value));
    return whole ? Number(value) : misfit(value, where, "int64");
  }
  if (shape === "free") return null;
  if ("list" in shape) {
    if (!Array.isArray(value)) return misfit(value, where, `[]${typeName(shape.list)}`);
    return value.map((item) => readValue(item, shape.list, reading, where) ?? zero(shape.list));
  }
  if (!isFields(value)) return misfit(value, where, typeName(shape));
  if ("fields" in shape) return readFields(value, shape.fields, reading, `${where}.`);
  const entries = Object.entries(value).map(([key, content]): [string, Value] => [
    key,
    readValue(content, shape.map, reading, where) ?? zero(shape.map),
  ]);
  return Object.fromEntries(entries);
}

function readText(value: unknown, reading: Reading, where: string): string {
  if (typeof value === "string") return value;
  const scalar = typeof value === "number" || typeof value === "boolean" || typeof value === "bigint";
  return reading === "lenient" && scalar ? String(value) : misfit(value, where, "string");
}

function zero(shape: Shape): Value {
  return shape === "text" ? "" : shape === "flag" ? false : shape === "integer" ? 0 : {};
}

function misfit(value: unknown, where: string, type: string): never {
  throw new DoesNotFit(`cannot unmarshal ${nameOf(value)} into Go struct field ${where} of type ${type}`);
}

function typeName(shape: Shape): string {
  if (shape === "text") return "string";
  if (shape === "flag") return "bool";
  if (shape === "integer") return "int64";
  if (shape === "free") return "interface {}";
  if ("list" in shape) return `[]${typeName(shape.list)}`;
  return "map" in shape ? `map[string]${typeName(shape.map)}` : "struct";
}

function nameOf(value: unknown): string {
  if (Array.isArray(value)) return "array";
  if (typeof value === "boolean") return "bool";
  return typeof value === "object" ? "object" : typeof value === "bigint" ? "number" : typeof value;
}

/** encoding/json compares names under simple case folding, which knows two letters beyond ASCII. */
function fold(name: string): string {
  return name.replaceAll("\u017f", "s").replaceAll("\u212a", "k").toLowerCase();
}

const folded = new WeakMap<Fields, ReadonlyMap<string, string>>();

function foldedNames(fields: Fields): ReadonlyMap<string, string> {
  const known = folded.get(fields);
  if (known !== undefined) return known;
  const names = new Map(Object.keys(fields).map((name) => [fold(name), name]));
  folded.set(fields, names);
  return names;
}
