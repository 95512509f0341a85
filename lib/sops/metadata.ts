import { isTimestampText } from "./go-time.ts";
import type { KeyGroup, MasterKey } from "./keys.ts";
import { defaultRule, patternLimit, type Rule } from "./rule.ts";
import { type Branch, isBranch, isList, isTimestamp, type Value, valueAt } from "./tree.ts";

/** What SOPS wrote into a file beside its values. */
export type Metadata = {
  groups: readonly KeyGroup[];
  /** How many groups it takes to get the data key; 0 where the file does not say. */
  shamirThreshold: number;
  rule: Rule;
  /** The encrypted MAC. */
  mac: string;
  macOnlyEncrypted: boolean;
  /** RFC 3339. */
  lastModified: string;
};

/** The most master keys of a file, over all groups. */
const keyLimit = 500;

/** The longest text within the metadata, in characters: an encrypted data key has some thousand. */
const textLimit = 64 * 1024;

/**
 * Reads the metadata of a file. Numbers and truth values may be texts, as dotenv and INI have nothing else, and a list of one may
 * be its entry alone. Throws where it is incomplete or contradicts itself.
 */
export function readMetadata(branch: Branch): Metadata {
  const lastModified = timeOf(branch, "lastmodified");
  const groups = groupsOf(branch);
  if (groups.reduce((count, group) => count + group.length, 0) > keyLimit)
    throw new Error(`it has more than ${keyLimit} keys`);
  return {
    groups,
    shamirThreshold: numberOf(branch, "shamir_threshold"),
    rule: ruleOf(branch),
    mac: textOf(branch, "mac"),
    macOnlyEncrypted: truthOf(branch, "mac_only_encrypted"),
    lastModified,
  };
}

function groupsOf(branch: Branch): KeyGroup[] {
  const group = groupOf(branch);
  if (group.length > 0) return [group];
  const groups = branchesOf(branch, "key_groups").map(groupOf);
  if (groups.length === 0) throw new Error("No keys found in file");
  return groups;
}

/** The keys of a group, kind by kind in SOPS's order. */
function groupOf(branch: Branch): MasterKey[] {
  const keys = <Key extends MasterKey>(name: string, read: (key: Branch, enc: string) => Key) =>
    branchesOf(branch, name).map((key) => {
      if (name !== "age") timeOf(key, "created_at");
      return read(key, textOf(key, "enc"));
    });
  const text = textOf;
  return [
    ...keys("kms", (key, enc) => ({
      kind: "kms",
      arn: text(key, "arn"),
      role: text(key, "role"),
      context: contextOf(key),
      awsProfile: text(key, "aws_profile"),
      enc,
    })),
    ...keys("gcp_kms", (key, enc) => ({ kind: "gcp_kms", resourceId: text(key, "resource_id"), enc })),
    ...keys("hckms", (key, enc) => ({ kind: "hckms", keyId: text(key, "key_id"), enc })),
    ...keys("azure_kv", (key, enc) => ({
      kind: "azure_kv",
      vaultUrl: text(key, "vault_url"),
      name: text(key, "name"),
      version: text(key, "version"),
      enc,
    })),
    ...keys("hc_vault", (key, enc) => ({
      kind: "hc_vault",
      vaultAddress: text(key, "vault_address"),
      enginePath: text(key, "engine_path"),
      keyName: text(key, "key_name"),
      enc,
    })),
    ...keys("pgp", (key, enc) => ({ kind: "pgp", fingerprint: text(key, "fp"), enc })),
    ...keys("age", (key, enc) => ({ kind: "age", recipient: text(key, "recipient"), enc })),
  ];
}

function contextOf(key: Branch): Map<string, string> {
  const value = valueAt(key, "context");
  if (value === undefined || !isBranch(value)) return new Map();
  return new Map(value.items.flatMap((item) => ("key" in item ? [[item.key, textFrom(item.value, item.key)]] : [])));
}

const rules = [
  "unencrypted_suffix",
  "encrypted_suffix",
  "unencrypted_regex",
  "encrypted_regex",
  "unencrypted_comment_regex",
  "encrypted_comment_regex",
] as const;

function ruleOf(branch: Branch): Rule {
  const set = rules.flatMap((kind): Rule[] => {
    const pattern = textOf(branch, kind);
    return pattern === "" ? [] : [{ kind, pattern }];
  });
  if (set.length > 1)
    throw new Error(
      "Cannot use more than one of encrypted_suffix, unencrypted_suffix, encrypted_regex, unencrypted_regex, encrypted_comment_regex, or unencrypted_comment_regex in the same file",
    );
  const rule = set[0] ?? defaultRule;
  if (rule.pattern.length > patternLimit) throw new Error(`${rule.kind} is longer than ${patternLimit} characters`);
  return rule;
}

/** The mappings of a list; one that stands alone counts as a list of it. */
function branchesOf(branch: Branch, name: string): Branch[] {
  const value = valueAt(branch, name);
  if (value === undefined || value === null || value === "") return [];
  if (isBranch(value)) return value.items.length === 0 ? [] : [value];
  if (!isList(value)) throw new Error(`'${name}' is no list`);
  return value.map((part, index) => {
    if (!isBranch(part)) throw new Error(`'${name}[${index}]' expected a map`);
    return part;
  });
}

function textOf(branch: Branch, name: string): string {
  return textFrom(valueAt(branch, name), name);
}

function textFrom(value: Value | undefined, name: string): string {
  const text = plainText(value);
  if (text === undefined) throw new Error(`'${name.slice(0, 200)}' expected type 'string'`);
  if (text.length > textLimit) throw new Error(`'${name.slice(0, 200)}' is longer than ${textLimit} characters`);
  return text;
}

function plainText(value: Value | undefined): string | undefined {
  if (value === undefined || value === null) return "";
  if (typeof value === "string") return value;
  if (typeof value === "boolean") return value ? "1" : "0";
  if (typeof value === "bigint" || typeof value === "number") return String(value);
  return isTimestamp(value) ? value.time : undefined;
}

function timeOf(branch: Branch, name: string): string {
  const text = textOf(branch, name);
  if (isTimestampText(text)) return text;
  throw new Error(
    `parsing time ${JSON.stringify(text.slice(0, 100))} as "2006-01-02T15:04:05Z07:00": '${name}' is no time`,
  );
}

function numberOf(branch: Branch, name: string): number {
  const text = textOf(branch, name);
  if (!/^\d{0,9}$/.test(text)) throw new Error(`cannot parse '${name}' as int`);
  return Number(text);
}

function truthOf(branch: Branch, name: string): boolean {
  const text = textOf(branch, name);
  if (["", "0", "f", "F", "false", "False", "FALSE"].includes(text)) return false;
  if (["1", "t", "T", "true", "True", "TRUE"].includes(text)) return true;
  throw new Error(`cannot parse '${name}' as bool`);
}
