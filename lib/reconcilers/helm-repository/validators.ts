import type { HelmRepository, HelmRepositoryStatus } from "../../api/helm-repository.ts";
import type { KubernetesObject } from "../../api/object.ts";
import type { Validators } from "../../chart/download.ts";
import type { Context } from "../../engine/reconciler.ts";
import { artifactKey } from "../artifact-storage.ts";
import type { SourcePass } from "../source/source-kind.ts";

type RepositoryPass = SourcePass<HelmRepositoryStatus, HelmRepository>;

/** Longest validator that is kept, in characters: servers write dozens. */
const validatorLimit = 1024;

/** What the server said of the stored index (SB-007): a record of each object, so that no tenant is told what only another may ask for. */
function recordKey(context: Pick<Context, "clusterId">, object: Pick<KubernetesObject, "kind" | "metadata">): string {
  return `index/${artifactKey(context.clusterId, object, "").replace(/\/$/, "")}`;
}

/** The validators of the index that is stored, if it was fetched from where it is fetched now; otherwise none. */
export async function knownValidators({ context, object, status }: RepositoryPass): Promise<Validators> {
  if (status.artifact === undefined) return {};
  const value = (await context.records.get(recordKey(context, object)))?.value;
  if (typeof value !== "object" || value === null || Array.isArray(value)) return {};
  if (value.url !== object.spec.url || value.revision !== status.artifact.revision) return {};
  return {
    ...(typeof value.etag === "string" ? { etag: value.etag } : {}),
    ...(typeof value.lastModified === "string" ? { lastModified: value.lastModified } : {}),
  };
}

/** Keeps the validators of the stored index where they differ from what is known. Without them the next look costs more, nothing else. */
export async function keepValidators(pass: RepositoryPass, found: Validators, known: Validators): Promise<void> {
  const { context, object, status } = pass;
  const isSame = found.etag === known.etag && found.lastModified === known.lastModified;
  const length = (found.etag ?? "").length + (found.lastModified ?? "").length;
  if (isSame || status.artifact === undefined || length > validatorLimit) return;
  try {
    const value = { url: object.spec.url, revision: status.artifact.revision, ...found };
    await context.records.put(recordKey(context, object), value, "any");
  } catch (error) {
    const words = error instanceof Error ? error.message : String(error);
    context.log.warn("what the server said of the index could not be kept", { error: words });
  }
}

/** Forgets them with the object. */
export async function forgetValidators(
  context: Pick<Context, "records" | "clusterId">,
  object: Pick<KubernetesObject, "kind" | "metadata">,
): Promise<void> {
  await context.records.remove(recordKey(context, object), "any");
}
