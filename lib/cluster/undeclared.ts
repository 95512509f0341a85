import type { KubernetesObject } from "../api/object.ts";
import { isFields } from "../text/fields.ts";
import { ApiError } from "./api-error.ts";
import { knownResource } from "./known-resources.ts";

const undeclared = ": field not declared in schema";

/**
 * An object without the fields of which the API server said that its kind has none, and their paths (KS-077): Flux reads
 * objects of Kubernetes' own kinds into Go types, which drops them. Undefined for other kinds, roles, and other errors.
 */
export function dropUndeclared(
  object: KubernetesObject,
  error: unknown,
): { object: KubernetesObject; dropped: string[] } | undefined {
  if (!(error instanceof ApiError) || !error.message.includes(undeclared)) return undefined;
  const isRole = object.apiVersion === "rbac.authorization.k8s.io/v1" && /^(Cluster)?Role$/.test(object.kind);
  if (isRole || knownResource(object.apiVersion, object.kind) === undefined) return undefined;
  const lines = error.message
    .replace(/^[^\n]*?\): (errors:)?/, "")
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "");
  if (!lines.every((line) => line.endsWith(undeclared))) return undefined;
  const dropped = lines.map((line) => line.slice(0, -undeclared.length));
  const copy = structuredClone(object);
  return dropped.every((path) => removeField(copy, path)) ? { object: copy, dropped } : undefined;
}

/** Removes the field at a path as structured-merge-diff prints it: `.spec.ports[port=53,protocol="TCP"].name`. */
function removeField(value: unknown, path: string): boolean {
  if (isFields(value) && path.startsWith(".")) {
    // A field's name may itself have dots.
    const rest = path.slice(1);
    const field = Object.keys(value)
      .filter((key) => rest.startsWith(key) && ["", ".", "["].includes(rest.charAt(key.length)))
      .reduce((longest, key) => (key.length > longest.length ? key : longest), "");
    if (field === "") return false;
    const below = rest.slice(field.length);
    if (below === "") return delete value[field];
    return removeField(value[field], below);
  }
  const match = /^\[((?:"(?:[^"\\]|\\.)*"|[^\]"])*)\]/.exec(path);
  if (!Array.isArray(value) || match === null) return false;
  const [whole, selector = ""] = match;
  const items = /^\d+$/.test(selector) ? [value[Number(selector)]] : value.filter(hasKeys(selector));
  return items.some((item) => removeField(item, path.slice(whole.length)));
}

/** Whether a list's item has these keys; one that it lacks has its default. */
function hasKeys(selector: string): (item: unknown) => boolean {
  const keys = [...selector.matchAll(/([^=,]+)=("(?:[^"\\]|\\.)*"|[^,]*)/g)].map(([, key = "", value = ""]) => ({
    key,
    value,
  }));
  return (item) =>
    isFields(item) && keys.every(({ key, value }) => item[key] === undefined || JSON.stringify(item[key]) === value);
}
