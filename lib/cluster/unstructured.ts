import { isFields } from "../text/fields.ts";

/** The value at a path of fields; undefined where the path ends early. */
export function valueAt(object: unknown, ...path: string[]): unknown {
  let value = object;
  for (const field of path) {
    if (!isFields(value)) return undefined;
    value = value[field];
  }
  return value;
}

/** The text at a path; empty where there is none. */
export function textAt(object: unknown, ...path: string[]): string {
  const value = valueAt(object, ...path);
  return typeof value === "string" ? value : "";
}

/** The number at a path, or `otherwise` where there is none. */
export function numberAt(object: unknown, otherwise: number, ...path: string[]): number {
  const value = valueAt(object, ...path);
  return typeof value === "number" ? value : otherwise;
}

/** The JSON objects of the list at a path; empty where there is none. */
export function recordsAt(object: unknown, ...path: string[]): Record<string, unknown>[] {
  const value = valueAt(object, ...path);
  return Array.isArray(value) ? value.filter(isFields) : [];
}

/** The text values of the JSON object at a path, such as labels; empty where there is none. */
export function textsAt(object: unknown, ...path: string[]): Record<string, string> {
  const value = valueAt(object, ...path);
  if (!isFields(value)) return {};
  return Object.fromEntries(
    Object.entries(value).filter((entry): entry is [string, string] => typeof entry[1] === "string"),
  );
}
