import { type Branch, depthLimit, isBranch, isList, isTimestamp, type Value } from "./tree.ts";

/** The tree of a JSON object, as SOPS would read it. Throws where it nests too deep. */
export function treeFrom(object: object): Branch {
  return branchFrom(object, 0);
}

function branchFrom(object: object, depth: number): Branch {
  if (depth > depthLimit) throw new Error(`it nests deeper than ${depthLimit} levels`);
  return {
    items: Object.entries(object).flatMap(([key, value]) =>
      value === undefined ? [] : [{ key, value: valueFrom(value, depth) }],
    ),
  };
}

function valueFrom(value: unknown, depth: number): Value {
  if (Array.isArray(value)) {
    if (depth > depthLimit) throw new Error(`it nests deeper than ${depthLimit} levels`);
    return value.map((part) => valueFrom(part, depth + 1));
  }
  if (typeof value === "object" && value !== null) return branchFrom(value, depth + 1);
  if (typeof value === "number") return Number.isSafeInteger(value) ? BigInt(value) : value;
  if (typeof value === "string" || typeof value === "boolean" || typeof value === "bigint") return value;
  return null;
}

/** The JSON object of a tree. Of keys that repeat, the last counts. Integers beyond 2^53 are bigint. */
export function objectFrom<T extends object>(branch: Branch): T;
export function objectFrom(branch: Branch): object {
  const entries = branch.items.flatMap((item) => ("key" in item ? [[item.key, plainFrom(item.value)] as const] : []));
  return Object.fromEntries(entries);
}

function plainFrom(value: Value): unknown {
  if (isBranch(value)) return objectFrom(value);
  if (isList(value)) return value.map(plainFrom);
  if (typeof value === "bigint") return Number.isSafeInteger(Number(value)) ? Number(value) : value;
  if (value instanceof Uint8Array) return new TextDecoder().decode(value);
  if (typeof value === "object" && value !== null && isTimestamp(value)) return value.time;
  return value;
}
