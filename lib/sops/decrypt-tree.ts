import { createHash, type Hash } from "node:crypto";
import { messageOf } from "../text/error-message.ts";
import { decryptScalar, isEncryptedText } from "./cipher.ts";
import { formatFixed } from "./go-float.ts";
import { compileRule, type Rule } from "./rule.ts";
import {
  type Branch,
  type Documents,
  depthLimit,
  type Entry,
  isBranch,
  isList,
  isRemark,
  isTimestamp,
  type Remark,
  type Scalar,
  type Value,
} from "./tree.ts";

/** How a tree was encrypted. */
export type Encryption = { rule: Rule; macOnlyEncrypted: boolean };

/** SHA-256 of `sops`: what a MAC over the encrypted values alone begins with, so that it is never one over all. */
const encryptedOnlyStart = createHash("sha256").update("sops").digest();

type Walk = {
  dataKey: Uint8Array;
  /** Whether a value is encrypted, by the names on the way to it; undefined where its own form has to tell. */
  isEncrypted: ((path: readonly string[]) => boolean) | undefined;
  macOnlyEncrypted: boolean;
  hash: Hash;
};

/**
 * Decrypts all values of a tree, and makes the MAC of what they are: upper-case hex of SHA-512 over the values in order.
 * Throws with SOPS's texts, without the values (KS-105).
 */
export async function decryptTree(
  documents: Documents,
  dataKey: Uint8Array,
  { rule, macOnlyEncrypted }: Encryption,
): Promise<{ documents: Documents; mac: string }> {
  const hash = createHash("sha512");
  if (macOnlyEncrypted) hash.update(encryptedOnlyStart);
  const walk: Walk = { dataKey, isEncrypted: await compileRule(rule), macOnlyEncrypted, hash };
  try {
    const plain = documents.map((document) => decryptBranch(document, [], walk));
    return { documents: plain, mac: hash.digest("hex").toUpperCase() };
  } catch (error) {
    throw new Error(`Error walking tree: ${messageOf(error)}`);
  }
}

function decryptBranch(branch: Branch, path: readonly string[], walk: Walk): Branch {
  if (path.length > depthLimit) throw new Error(`it nests deeper than ${depthLimit} levels`);
  return {
    items: branch.items.map((item): Entry | Remark => {
      if (isRemark(item)) return decryptRemark(item, path, walk);
      return { key: item.key, value: decryptValue(item.value, [...path, item.key], walk) };
    }),
  };
}

function decryptValue(value: Value, path: readonly string[], walk: Walk, depth = path.length): Value {
  if (depth > depthLimit) throw new Error(`it nests deeper than ${depthLimit} levels`);
  if (isBranch(value)) return decryptBranch(value, path, walk);
  if (isList(value)) return decryptList(value, path, walk, depth);
  // What is null stays null, and counts for nothing.
  if (value === null) return null;
  const plain = decryptLeaf(value, path, walk);
  return isText(plain) ? plain.comment : plain;
}

/** A remark in a list became one of its values when it was encrypted: it is none. */
function decryptList(values: readonly Value[], path: readonly string[], walk: Walk, depth: number): Value[] {
  return values.flatMap((part): Value[] => {
    if (typeof part !== "string") return [decryptValue(part, path, walk, depth + 1)];
    const plain = decryptLeaf(part, path, walk);
    return isText(plain) ? [] : [plain];
  });
}

function decryptLeaf(value: Scalar, path: readonly string[], walk: Walk): Scalar | Remark {
  const encrypted = isEncrypted(value, path, walk);
  const plain = encrypted ? decryptEncrypted(value, path, walk) : value;
  if (encrypted || !walk.macOnlyEncrypted) walk.hash.update(isText(plain) ? plain.comment : macBytes(plain));
  return plain;
}

function isText(value: Scalar | Remark): value is Remark {
  return typeof value === "object" && value !== null && "comment" in value;
}

function isEncrypted(value: Scalar | string, path: readonly string[], walk: Walk): boolean {
  return walk.isEncrypted?.(path) ?? (typeof value === "string" && isEncryptedText(value));
}

function decryptEncrypted(value: Scalar, path: readonly string[], { dataKey }: Walk): Scalar | Remark {
  if (typeof value !== "string") throw new Error(`Expected encrypted value as string, but got ${goType(value)}`);
  try {
    const plain = decryptScalar(value, dataKey, placeOf(path));
    return "value" in plain ? plain.value : plain;
  } catch (error) {
    throw new Error(`Could not decrypt value: ${messageOf(error)}`);
  }
}

/** A remark that does not decrypt was never encrypted: older versions of SOPS left them as they were. */
function decryptRemark(remark: Remark, path: readonly string[], walk: Walk): Remark {
  if (!isEncrypted(remark.comment, path, walk)) return remark;
  try {
    const plain = decryptScalar(remark.comment, walk.dataKey, placeOf(path));
    if ("comment" in plain) return plain;
    return typeof plain.value === "string" ? { comment: plain.value } : remark;
  } catch {
    return remark;
  }
}

/** The path of a value as additional data of its encryption. Lists do not count. */
function placeOf(path: readonly string[]): string {
  return `${path.join(":")}:`;
}

/** A value as the MAC counts it. */
function macBytes(value: Scalar): string | Uint8Array {
  if (typeof value === "string" || value instanceof Uint8Array) return value;
  if (typeof value === "boolean") return value ? "True" : "False";
  if (typeof value === "bigint") return String(value);
  if (typeof value === "number") return formatFixed(value);
  return value === null ? "" : value.time;
}

function goType(value: Scalar): string {
  if (typeof value === "boolean") return "bool";
  if (typeof value === "bigint") return "int";
  if (typeof value === "number") return "float64";
  return value !== null && isTimestamp(value) ? "time.Time" : "string";
}
