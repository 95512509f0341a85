import { messageOf } from "../text/error-message.ts";
import { type Branch, depthLimit, type Entry, isRemark, type Value } from "./tree.ts";

/** A tree under construction: a value, or names or positions that lead on. */
type Node = { value?: Value; names?: Map<string, Node>; positions?: Map<number, Node> };

/** The longest list that flat keys may name, so that no position makes a list of gaps. */
const listLimit = 100_000;

/**
 * The tree that flat keys stand for, as dotenv and INI files hold SOPS's metadata: `age__list_0__map_enc` is the key `enc` of the
 * first entry of the list `age`. Keys come out sorted. Throws where they contradict each other.
 */
export function unflatten(branch: Branch): Branch {
  const root: Node = {};
  for (const item of branch.items) {
    if (isRemark(item)) continue;
    try {
      place(item, root);
    } catch (error) {
      const why = messageOf(error);
      throw new Error(`Error while unflattening ${JSON.stringify(item.key.slice(0, 200))}: ${why}`);
    }
  }
  try {
    const tree = convertNames(root);
    return tree;
  } catch (error) {
    throw new Error(`Error while unflattening: ${messageOf(error)}`);
  }
}

function place({ key, value }: Entry, root: Node): void {
  const steps = key.split(/(__map_|__list_)/);
  if (steps.length > 2 * depthLimit) throw new Error(`it nests deeper than ${depthLimit} levels`);
  let node = step(root, "__map_", steps[0] ?? "");
  for (let index = 1; index < steps.length; index += 2) node = step(node, steps[index] ?? "", steps[index + 1] ?? "");
  if (node.value !== undefined) throw new Error("Duplicate value");
  node.value = value;
}

function step(node: Node, separator: string, name: string): Node {
  const next: Node = {};
  if (separator === "__map_") {
    node.names ??= new Map();
    const known = node.names.get(name);
    if (known === undefined) node.names.set(name, next);
    return known ?? next;
  }
  // What is no number counts as 0, as in SOPS.
  const position = /^[-+]?\d{1,9}$/.test(name) ? Number(name) : 0;
  if (position > listLimit) throw new Error(`its list is longer than ${listLimit}`);
  node.positions ??= new Map();
  const known = node.positions.get(position);
  if (known === undefined) node.positions.set(position, next);
  return known ?? next;
}

function convert(node: Node): Value {
  const kinds = [node.value !== undefined, node.names !== undefined, node.positions !== undefined];
  if (kinds.filter(Boolean).length > 1) throw new Error("Type mismatch");
  if (node.value !== undefined) return node.value;
  return node.positions === undefined ? convertNames(node) : convertPositions(node.positions);
}

function convertNames({ names = new Map() }: Node): Branch {
  const sorted = [...names].sort(([a], [b]) => (a < b ? -1 : 1));
  return { items: sorted.map(([key, node]) => ({ key, value: convert(node) })) };
}

function convertPositions(positions: ReadonlyMap<number, Node>): Value[] {
  return Array.from({ length: positions.size }, (_, position) => {
    const node = positions.get(position);
    if (node === undefined) throw new Error("Incomplete list");
    return convert(node);
  });
}
