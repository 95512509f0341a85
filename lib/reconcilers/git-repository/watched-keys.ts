import { createHash } from "node:crypto";
import type { GitRepository, GitRepositoryStatus } from "../../api/git-repository.ts";
import type { KubernetesObject } from "../../api/object.ts";
import { findObject } from "../../cluster/objects.ts";
import type { Context } from "../../engine/reconciler.ts";
import { parseLabelSelector } from "../../text/label-selector.ts";
import type { SourcePass } from "../source/source-kind.ts";

type Pass = Pick<SourcePass<GitRepositoryStatus, GitRepository>, "object" | "context" | "signal">;

/**
 * What a commit was verified by, where the Secret with the keys is one that is watched (SB-012): a digest of what it holds. Undefined
 * where it is not watched: then its keys are asked for when there is a new commit, not before (GIT-075); null where it is not there.
 */
export async function watchedKeys({ object, context, signal }: Pass): Promise<string | undefined | null> {
  const name = object.spec.verify?.secretRef.name;
  const { settings, cluster } = context;
  if (name === undefined) return undefined;
  const reference = { apiVersion: "v1", kind: "Secret", namespace: object.metadata.namespace ?? "", name };
  const secret = await findObject<KubernetesObject & { data?: Record<string, string> }>(cluster, reference, signal);
  if (secret === undefined) return null;
  if (!parseLabelSelector(settings.watchConfigsLabelSelector)(secret.metadata.labels ?? {})) return undefined;
  const entries = Object.entries(secret.data ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
  return createHash("sha256").update(JSON.stringify(entries)).digest("hex");
}

/**
 * Whether what is stored has to be verified again, at the same revision: other keys are watched now than those that it was verified
 * by, or those that were watched did not verify it (SB-012).
 */
export async function keysHaveChanged(pass: Pass): Promise<boolean> {
  const { object, context } = pass;
  if (object.spec.verify === undefined) return false;
  const [known, keys] = await Promise.all([
    context.records.get(recordKey(context.clusterId, object)),
    watchedKeys(pass),
  ]);
  if (known?.value === refused) return true;
  return keys === null ? known !== undefined : keys !== undefined && keys !== known?.value;
}

const refused = "refused";

/**
 * Remembers by which watched keys a verification has succeeded, or that it has not; `keys` were read before it, so that a later change
 * is seen. Without watched keys nothing is remembered.
 */
export async function rememberKeys(
  { object, context }: Pass,
  keys: string | undefined | null,
  { isVerified }: { isVerified: boolean },
): Promise<void> {
  const { clusterId, records } = context;
  const key = recordKey(clusterId, object);
  if (typeof keys === "string") await records.put(key, isVerified ? keys : refused, "any");
  else if (keys === null && (await records.get(key)) !== undefined) await records.put(key, refused, "any");
  else if (isVerified) await records.remove(key, "any");
}

/** Forgets an object that is deleted. */
export function forgetKeys(
  { clusterId, records }: Pick<Context, "clusterId" | "records">,
  object: Pick<KubernetesObject, "metadata">,
): Promise<void> {
  return records.remove(recordKey(clusterId, object), "any");
}

function recordKey(clusterId: string, { metadata }: Pick<KubernetesObject, "metadata">): string {
  return `verified-by/${clusterId}/${metadata.namespace ?? ""}/${metadata.name}`;
}
