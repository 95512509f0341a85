import { isDeepStrictEqual } from "node:util";
import type { KubernetesObject, ManagedFieldsEntry, ObjectReference } from "../api/object.ts";
import { messageOf } from "../text/error-message.ts";
import { isFields } from "../text/fields.ts";
import { type LabelSelector, parseLabelSelector } from "../text/label-selector.ts";
import { lookUp, removeAt, setAt } from "./json-pointer.ts";
import { groupOf, versionOf } from "./order.ts";
import { textsAt } from "./unstructured.ts";

/** Fields that somebody else may have (KS-150), by JSON pointers (RFC 6901), of the objects that `target` selects; without it of all. */
export type IgnoreRule = { paths: readonly string[]; target?: IgnoreTarget };

/**
 * Which objects a rule is for: all conditions that are set. The first five are regular expressions (RE2) for the whole value, the
 * selectors are in the syntax of label selectors.
 */
export type IgnoreTarget = {
  group?: string;
  version?: string;
  kind?: string;
  name?: string;
  namespace?: string;
  labelSelector?: string;
  annotationSelector?: string;
};

/** Rules that are ready to be asked. */
export type IgnoreRules = readonly {
  paths: readonly string[];
  /** Whether an object of this name may be selected, whatever its labels and annotations are. */
  mayMatch: (reference: ObjectReference) => boolean;
  matches: (object: KubernetesObject) => boolean;
}[];

/** Characters of one expression, and steps of all of them: each is taken for each character of each object's name, and blocks others. */
const expressionLimits = { characters: 1000, steps: 5000 };

/** Throws an Error with Flux's text where an expression or a selector cannot be read (KS-150), or takes too many steps. */
export async function compileIgnoreRules(rules: readonly IgnoreRule[]): Promise<IgnoreRules> {
  if (rules.length === 0) return [];
  // Few sets have rules: the engine of expressions is loaded for those that do.
  const { RE2JS } = await import("re2js");
  let steps = 0;
  const compile = (what: string, expression: string | undefined): ((text: string) => boolean) => {
    if (expression === undefined || expression === "") return () => true;
    return attempt(`invalid ${what} regex`, () => {
      const { characters, steps: allowed } = expressionLimits;
      if (expression.length > characters) throw new Error(`it is longer than ${characters} characters`);
      const pattern = RE2JS.compile(`^(?:${expression})$`);
      steps += pattern.programSize();
      if (steps > allowed) throw new Error("the expressions of all rules are too large together");
      return (text: string) => pattern.matcher(text).find();
    });
  };
  return rules.map(({ paths, target = {} }) => {
    const group = compile("group", target.group);
    const version = compile("version", target.version);
    const kind = compile("kind", target.kind);
    const name = compile("name", target.name);
    const namespace = compile("namespace", target.namespace);
    const labels = selector("label", target.labelSelector);
    const annotations = selector("annotation", target.annotationSelector);
    const mayMatch = (reference: ObjectReference) =>
      group(groupOf(reference.apiVersion)) &&
      version(versionOf(reference.apiVersion)) &&
      kind(reference.kind) &&
      name(reference.name) &&
      namespace(reference.namespace ?? "");
    const matches = (object: KubernetesObject) => {
      const { apiVersion, metadata } = object;
      return (
        mayMatch({ apiVersion, kind: object.kind, name: metadata.name, namespace: metadata.namespace ?? "" }) &&
        labels(textsAt(object, "metadata", "labels")) &&
        annotations(textsAt(object, "metadata", "annotations"))
      );
    };
    return { paths, mayMatch, matches };
  });
}

function selector(what: string, written: string | undefined): LabelSelector {
  if (written === undefined || written === "") return () => true;
  return attempt(`invalid ${what} selector`, () => parseLabelSelector(written));
}

function attempt<T>(what: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    const message = messageOf(error);
    throw new Error(`failed to create ignore rule selector: ${what}: ${message}`, { cause: error });
  }
}

/** The fields of an object that are ignored, as a dry run shows it. */
export function ignoredPaths(rules: IgnoreRules, tried: KubernetesObject): string[] {
  return rules.flatMap(({ paths, matches }) => (matches(tried) ? paths : []));
}

/** An object without these fields; a path that leads nowhere takes nothing. */
export function withoutPaths(object: KubernetesObject, paths: readonly string[]): KubernetesObject {
  if (paths.length === 0) return object;
  const copy = structuredClone(object);
  for (const path of paths) removeAt(copy, path);
  return copy;
}

/**
 * What is sent for an object that exists (KS-151): an ignored field that a dry run would change is left out where somebody else
 * applies it, which releases it, and otherwise sent as it is, which keeps it. One that would stay the same is sent as it is wanted.
 * What keeps a value is written on condition that the object is still the one that was read (`resourceVersion`).
 */
export function yieldIgnored(
  wanted: KubernetesObject,
  { live, tried }: { live: KubernetesObject; tried: KubernetesObject },
  paths: readonly string[],
  fieldManager: string,
): KubernetesObject {
  const differing = paths.filter((path) => !isDeepStrictEqual(lookUp(live, path), lookUp(tried, path)));
  if (differing.length === 0) return wanted;
  const entries = (live.metadata.managedFields ?? []).filter(
    ({ operation, subresource }) => operation === "Apply" && (subresource === undefined || subresource === ""),
  );
  const copy = structuredClone(wanted);
  const isOthers = (path: string) => isAppliedByOthers(live, path, entries, fieldManager);
  const [released, kept] = [differing.filter(isOthers), differing.filter((path) => !isOthers(path))];
  for (const path of released) removeAt(copy, path);
  const { resourceVersion } = live.metadata;
  if (kept.length > 0 && resourceVersion !== undefined) copy.metadata.resourceVersion = resourceVersion;
  for (const path of kept) {
    const value = lookUp(live, path);
    if (value === undefined) removeAt(copy, path);
    else setAt(copy, path, structuredClone(value));
  }
  return copy;
}

function isAppliedByOthers(
  live: KubernetesObject,
  pointer: string,
  entries: readonly ManagedFieldsEntry[],
  fieldManager: string,
): boolean {
  const all = entries.map(({ fieldsV1 = {} }) => fieldsV1);
  const path = ownedPath(live, pointer, all);
  if (path === undefined) return false;
  return entries.some(
    ({ manager, fieldsV1 = {} }) => manager !== fieldManager && fieldsAt(fieldsV1, path) !== undefined,
  );
}

/**
 * A pointer as managedFields spell it (FieldsV1): an index of a list becomes the merge key of the item that stands there.
 * Undefined where nobody has such an item.
 */
function ownedPath(
  live: KubernetesObject,
  pointer: string,
  owned: readonly Record<string, unknown>[],
): string[] | undefined {
  const path: string[] = [];
  let value: unknown = live;
  for (const written of pointer.split("/").slice(1)) {
    const segment = written.replaceAll("~1", "/").replaceAll("~0", "~");
    if (/^\d+$/.test(segment)) {
      value = Array.isArray(value) ? value[Number(segment)] : undefined;
      const item = value;
      const keys = owned.flatMap((fields) => Object.keys(fieldsAt(fields, path) ?? {}));
      const key = keys.find((candidate) => isFields(item) && isKeyOf(candidate, item));
      if (key === undefined) return undefined;
      path.push(key);
    } else {
      value = isFields(value) ? value[segment] : undefined;
      path.push(`f:${segment}`);
    }
  }
  return path.length === 0 ? undefined : path;
}

function isKeyOf(candidate: string, item: Record<string, unknown>): boolean {
  if (!candidate.startsWith("k:")) return false;
  try {
    const keys: unknown = JSON.parse(candidate.slice(2));
    return isFields(keys) && Object.entries(keys).every(([key, value]) => isDeepStrictEqual(item[key], value));
  } catch {
    return false;
  }
}

function fieldsAt(fields: Record<string, unknown>, path: readonly string[]): Record<string, unknown> | undefined {
  let below: unknown = fields;
  for (const segment of path) below = isFields(below) ? below[segment] : undefined;
  return isFields(below) ? below : undefined;
}
