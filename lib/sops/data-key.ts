import { messageOf } from "../text/error-message.ts";
import { type KeyGroup, type KeyServices, keyName, type MasterKey } from "./keys.ts";
import type { Metadata } from "./metadata.ts";
import { combineShares } from "./shamir.ts";
import { prefixLines, wrapLines } from "./wrap-lines.ts";

/** What became of one group: its share of the data key, or why there is none. */
type GroupResult = { share: Uint8Array } | { failure: string };

/** The most characters of one reason, and of all of them, that a message has. */
const reasonLimit = 1_000;
/** The most characters of a key's name: a post-quantum recipient has 1,959. */
const nameLimit = 2_500;
const messageLimit = 12_000;

/**
 * The data key of a file: from every group the share that the first of its keys gives that decrypts, age before PGP before the
 * rest (KS-100), put together where there are several. Throws with SOPS's text, which names each key and why it was of no use.
 */
export async function recoverDataKey(
  { groups, shamirThreshold }: Pick<Metadata, "groups" | "shamirThreshold">,
  services: KeyServices,
  signal?: AbortSignal,
): Promise<Uint8Array> {
  const results: GroupResult[] = [];
  for (const group of groups) results.push(await decryptGroup(group, services, signal));
  const shares = results.flatMap((result) => ("share" in result ? [result.share] : []));
  const [share] = shares;
  if (groups.length === 1) {
    if (share === undefined) throw new Error(failureOf(results, shamirThreshold));
    return share;
  }
  if (shares.length < shamirThreshold) throw new Error(failureOf(results, shamirThreshold));
  try {
    return combineShares(shares);
  } catch (error) {
    throw new Error(`could not get data key from shamir parts: ${messageOf(error)}`);
  }
}

const order: readonly MasterKey["kind"][] = ["age", "pgp"];

/** Keys in the order in which they are tried. */
export function inOrder(group: KeyGroup): MasterKey[] {
  const rank = ({ kind }: MasterKey) => (order.includes(kind) ? order.indexOf(kind) : order.length);
  return [...group].sort((a, b) => rank(a) - rank(b));
}

async function decryptGroup(
  group: KeyGroup,
  services: KeyServices,
  signal: AbortSignal | undefined,
): Promise<GroupResult> {
  const failures: string[] = [];
  for (const key of inOrder(group)) {
    try {
      return { share: await decryptKey(key, services, signal) };
    } catch (error) {
      signal?.throwIfAborted();
      const why = prefixLines(wrapLines(messageOf(error).slice(0, reasonLimit), 60), "  | ").replace(/^ /, "-");
      failures.push(`${keyName(key).slice(0, nameLimit)}: FAILED\n${prefixLines(why, "  ")}`);
    }
  }
  return { failure: failures.join("\n\n") };
}

function decryptKey(key: MasterKey, services: KeyServices, signal: AbortSignal | undefined): Promise<Uint8Array> {
  const absent = (kind: string) =>
    Promise.reject(new Error(`there is nothing to decrypt with: no credentials for keys of kind ${kind}`));
  switch (key.kind) {
    case "age":
      return (
        services.age?.(key, signal) ??
        Promise.reject(new Error("failed to load age identities: the decryption Secret has none"))
      );
    case "pgp":
      return (
        services.pgp?.(key, signal) ??
        Promise.reject(new Error("could not decrypt data key with PGP key: the decryption Secret has no keyring"))
      );
    case "kms":
      return services.kms?.(key, signal) ?? absent(key.kind);
    case "gcp_kms":
      return services.gcp_kms?.(key, signal) ?? absent(key.kind);
    case "hc_vault":
      return services.hc_vault?.(key, signal) ?? absent(key.kind);
    case "azure_kv":
      return services.azure_kv?.(key, signal) ?? absent(key.kind);
    case "hckms":
      return services.hckms?.(key, signal) ?? absent(key.kind);
  }
}

function failureOf(results: readonly GroupResult[], threshold: number): string {
  const successes = results.filter((result) => "share" in result).length;
  const groups = results.map((result, index) =>
    "share" in result ? `Group ${index}: SUCCESS` : `Group ${index}: FAILED\n${prefixLines(result.failure, "  ")}`,
  );
  const end =
    threshold === 0
      ? "Recovery failed because no master key was able to decrypt the file. In order for SOPS to recover the file, at least one key has to be successful, but none were."
      : `Recovery failed because the file was encrypted with a Shamir threshold of ${threshold}, but only ${successes} part(s) were successfully recovered, one for each successful key group. In order for SOPS to recover the file, at least ${threshold} groups have to be successful. In order for a group to be successful, decryption has to succeed with any of the keys in that key group.`;
  const named = groups.join("\n\n");
  const reasons = named.length > messageLimit ? `${named.slice(0, messageLimit)}...` : named;
  return `Failed to get the data key required to decrypt the SOPS file.\n\n${reasons}\n\n${wrapLines(end, 75)}`;
}
