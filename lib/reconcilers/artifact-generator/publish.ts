import { isDeepStrictEqual } from "node:util";
import type { Artifact } from "../../api/artifact.ts";
import type { ArtifactGenerator, GeneratedArtifact } from "../../api/artifact-generator.ts";
import type { ExternalArtifact, ExternalArtifactStatus } from "../../api/external-artifact.ts";
import { kinds, pathOf } from "../../engine/kinds.ts";
import type { Context, Outcome } from "../../engine/reconciler.ts";
import { messageOf } from "../../text/error-message.ts";
import type { BuiltArtifact } from "./build.ts";
import type { Output } from "./expand.ts";
import { externalObject, holds } from "./external-object.ts";
import type { ReadySource } from "./sources.ts";

/** What the inventory says of an output, and whom its publication concerns. */
export type Published = {
  entry: GeneratedArtifact;
  artifact: Artifact;
  told: NonNullable<Outcome["published"]>[number] | undefined;
};

const originKey = "org.opencontainers.image.revision";

/** What an artifact is called, and where it came from (AG-016, AG-017). */
export function revisionOf(
  { revision, originRevision }: Pick<Output, "revision" | "originRevision">,
  digest: string,
  sources: readonly ReadySource[],
): Pick<Artifact, "revision" | "metadata"> {
  const sourceOf = (alias: string | undefined) => sources.find((source) => `@${source.alias}` === alias)?.artifact;
  const origin = sourceOf(originRevision);
  return {
    revision: sourceOf(revision)?.revision ?? `latest@${digest}`,
    ...(origin === undefined ? {} : { metadata: { [originKey]: origin.metadata?.[originKey] ?? origin.revision } }),
  };
}

/**
 * Publishes a stored artifact as an ExternalArtifact (AG-019). Nothing is written where the object is already as it is to be, and the
 * users of an artifact that is as it was are not woken (AG-018). `applies` has labels that are no longer wanted taken off; after an
 * attempt that has `failed`, or died, users are woken all the same: it may have published without an answer.
 */
export async function publish(
  generator: ArtifactGenerator,
  output: Output,
  built: BuiltArtifact,
  context: Context,
  options: { known: ExternalArtifact | undefined; sources: readonly ReadySource[]; applies: boolean; failed: boolean },
): Promise<Published> {
  const { known, sources, applies, failed } = options;
  const wanted = externalObject(generator, output.name, output.labels);
  const { namespace = "", name } = wanted.metadata;
  const path = pathOf("ExternalArtifact", namespace, name);
  const apply = (suffix: string, body: unknown): Promise<ExternalArtifact> =>
    context.cluster.request<ExternalArtifact>({
      method: "PATCH",
      path: `${path}${suffix}`,
      query: { fieldManager: kinds.ArtifactGenerator.fieldManager, force: true },
      contentType: "application/apply-patch+yaml",
      body,
      signal: context.signal,
    });
  const current =
    known !== undefined && !applies && holds(known, wanted)
      ? known
      : await apply("", wanted).catch((error: unknown) => {
          throw new Error(`failed to apply ExternalArtifact: ${messageOf(error)}`, { cause: error });
        });
  const artifact = { ...built.artifact, ...revisionOf(output, built.artifact.digest, sources) };
  const status = statusOf(current, artifact, context);
  const isCurrent = isDeepStrictEqual(current.status, status);
  const { apiVersion, kind } = wanted;
  const offered = isCurrent
    ? current
    : await apply("/status", { apiVersion, kind, metadata: { name, namespace }, status }).catch((error: unknown) => {
        throw new Error(`failed to patchStatus ExternalArtifact status: ${messageOf(error)}`, { cause: error });
      });
  return {
    entry: { name, namespace, digest: artifact.digest, filename: built.filename },
    artifact,
    told: isCurrent && !failed && !context.redelivered ? undefined : newsOf(offered, artifact),
  };
}

/** What those who use a published artifact are woken with. */
export function newsOf(
  { metadata }: ExternalArtifact,
  { revision }: Pick<Artifact, "revision">,
): NonNullable<Outcome["published"]>[number] {
  const { apiVersion, kind } = kinds.ExternalArtifact;
  const reference = { apiVersion, kind, namespace: metadata.namespace ?? "", name: metadata.name };
  return { reference, revision, state: metadata.resourceVersion ?? "" };
}

/** The status to be. Times stay where nothing else has changed. */
function statusOf(current: ExternalArtifact, artifact: Artifact, { clock }: Context): ExternalArtifactStatus {
  const before = current.status?.artifact;
  const { lastUpdateTime } = before ?? artifact;
  const isSame = isDeepStrictEqual(before, { ...artifact, lastUpdateTime });
  const observedGeneration = current.metadata.generation ?? 0;
  const ready = current.status?.conditions?.find(({ type }) => type === "Ready");
  const condition = { type: "Ready", status: "True", reason: "Succeeded", message: "Artifact is ready" } as const;
  const keeps = ready?.status === "True" && ready.reason === condition.reason && ready.message === condition.message;
  const now = `${clock.now().toISOString().slice(0, 19)}Z`;
  const others = (current.status?.conditions ?? []).filter(({ type }) => type !== "Ready");
  return {
    artifact: isSame ? { ...artifact, lastUpdateTime } : artifact,
    conditions: [
      { ...condition, observedGeneration, lastTransitionTime: keeps && isSame ? ready.lastTransitionTime : now },
      ...others,
    ],
  };
}
