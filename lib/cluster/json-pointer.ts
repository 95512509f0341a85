import { isFields } from "../text/fields.ts";

/** The fields that a JSON pointer (RFC 6901) names, one after the other; undefined where it is none. */
function segmentsOf(pointer: string): string[] | undefined {
  if (!pointer.startsWith("/")) return undefined;
  return pointer
    .slice(1)
    .split("/")
    .map((segment) => segment.replaceAll("~1", "/").replaceAll("~0", "~"));
}

/** The value at a JSON pointer; undefined where it leads nowhere. */
export function lookUp(document: unknown, pointer: string): unknown {
  const segments = segmentsOf(pointer);
  return segments === undefined ? undefined : segments.reduce(step, document);
}

/** Removes the value at a JSON pointer, in place; nothing where it leads nowhere. */
export function removeAt(document: unknown, pointer: string): void {
  const place = placeOf(document, pointer);
  if (place === undefined) return;
  const { parent, last } = place;
  if (Array.isArray(parent)) {
    if (isIndex(last) && Number(last) < parent.length) parent.splice(Number(last), 1);
  } else if (isFields(parent)) delete parent[last];
}

/** Sets the value at a JSON pointer, in place, where there is something to hold it; an item of a list only in place of another one. */
export function setAt(document: unknown, pointer: string, value: unknown): void {
  const place = placeOf(document, pointer);
  if (place === undefined) return;
  const { parent, last } = place;
  if (Array.isArray(parent)) {
    if (isIndex(last) && Number(last) < parent.length) parent[Number(last)] = value;
  } else if (isFields(parent) && last !== "__proto__") parent[last] = value;
}

function placeOf(document: unknown, pointer: string): { parent: unknown; last: string } | undefined {
  const segments = segmentsOf(pointer);
  const last = segments?.pop();
  return segments === undefined || last === undefined ? undefined : { parent: segments.reduce(step, document), last };
}

function step(value: unknown, segment: string): unknown {
  if (Array.isArray(value)) return isIndex(segment) ? value[Number(segment)] : undefined;
  return isFields(value) && Object.hasOwn(value, segment) ? value[segment] : undefined;
}

function isIndex(segment: string): boolean {
  return /^(0|[1-9]\d{0,8})$/.test(segment);
}
