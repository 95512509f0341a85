import { isDeepStrictEqual } from "node:util";
import type { OCIRepository, OCIRepositoryStatus } from "../api/oci-repository.ts";
import type { FailureReason } from "../api/reason.ts";
import { tagChooser } from "../oci/choose-tag.ts";
import { digestProblem } from "../oci/digest-problem.ts";
import { fetchImage, parseImage, selectLayer } from "../oci/image.ts";
import { isDigest, openRegistry, type Registry } from "../oci/registry.ts";
import { RegistryError } from "../oci/registry-error.ts";
import type { Json } from "../platform/ports.ts";
import type { Spool } from "../platform/spool.ts";
import { messageOf } from "../text/error-message.ts";
import { archiveLayer } from "./oci-repository/layer.ts";
import { type Remote, readRemote } from "./oci-repository/remote.ts";
import { checkSignature, forgetFailedCheck } from "./oci-repository/signature.ts";
import { verify } from "./oci-repository/verification.ts";
import { shareCheck } from "./source/shared-check.ts";
import { storeShared } from "./source/shared-content.ts";
import { SharedWorkUnderWay } from "./source/shared-record.ts";
import { SourceFailure } from "./source/source-failure.ts";
import type { SourceKind, SourcePass, SourceResult } from "./source/source-kind.ts";
import { sourceReconciler } from "./source/source-reconciler.ts";

type OCIPass = SourcePass<OCIRepositoryStatus, OCIRepository>;

/** What a reference stands for: a digest, with the tag that named it where one did. */
type Resolved = { tag?: string; digest: string };

const chartLayer = "application/vnd.cncf.helm.chart.content.v1.tar+gzip";
/** A layer as it is sent, in bytes. */
const layerLimit = 2 * 1024 * 1024 * 1024;

/** Pulls an artifact from a registry and stores the content of one of its layers (sources.md, sections 1, 3, 7 and 8). */
const ociRepository: SourceKind<OCIRepositoryStatus, OCIRepository> = {
  against: ["StorageOperationFailed", "FetchFailed", "ArtifactOutdated", "Stalled", "Reconciling"],
  recoveries: ["FetchFailed", "StorageOperationFailed"],
  clearsStorageFailure: "start",
  latest: "latest.tar.gz",
  storing: ({ spec }) =>
    spec.layerSelector?.operation === "copy"
      ? "unable to copy artifact to storage"
      : "unable to archive artifact to storage",
  failureOf: (error, pass) => failed("OCIArtifactPullFailed", pullWords(pass), error, pass),
  produce: async (pass) => {
    const { object, context, status, signal } = pass;
    forgetFailedCheck(pass);
    const remote = await readRemote(object, context, signal, (name) =>
      pass.trace("AuthenticationFailed", `auth secret '${name}' not found`),
    );
    const { repository, outbound, insecure, credentials } = remote;
    const access = credentials === undefined ? {} : { credentials };
    const registry = openRegistry({ repository, outbound, insecure, ...access });
    const resolved = await resolve(pass, remote, registry);
    const revision = resolved.tag === undefined ? resolved.digest : `${resolved.tag}@${resolved.digest}`;
    const isNew = status.artifact?.revision !== revision;
    if (isNew) pass.outdated("NewRevision", `new revision '${revision}' for '${named(registry, resolved)}'`);
    await checkSignature(pass, revision, () =>
      verify(pass, { url: object.spec.url, digest: resolved.digest, registry }),
    );
    if (!isNew && isObserved(object)) {
      pass.trace("ArtifactUpToDate", `artifact up-to-date with remote revision: '${revision}'`);
      return told(pass);
    }
    if (resolved.tag === undefined) await confirm(pass, remote.asker, registry, resolved.digest);
    await pull(pass, remote, registry, resolved.digest, revision);
    observe(pass);
    return told(pass);
  },
};

/** The life of an OCIRepository. */
export const ociRepositoryReconciler = sourceReconciler(ociRepository);

/**
 * OCI-002 to OCI-008: what is wanted now, asked once for all who ask it (SB-002). A digest needs nobody. Throws
 * SourceFailure.
 */
async function resolve(pass: OCIPass, { asker }: Remote, registry: Registry): Promise<Resolved> {
  const { spec } = pass.object;
  const { signal } = pass;
  const { digest, semver, semverFilter, tag } = spec.ref ?? {};
  if (digest !== undefined && digest !== "") {
    if (isDigest(digest)) return { digest };
    const why = new Error(digestProblem(digest.slice(0, 200)));
    throw failed("OCIArtifactPullFailed", "failed to determine artifact digest", why, pass);
  }
  const isChart = spec.layerSelector?.mediaType === chartLayer;
  const choice = semver === undefined || semver === "" ? undefined : { semver, filter: semverFilter ?? "", isChart };
  const asked = ["oci", asker, choice ?? (tag === undefined || tag === "" ? "latest" : tag)];
  const check = async (): Promise<Resolved> => {
    const chosen =
      typeof asked[2] === "string"
        ? asked[2]
        : await step(
            pass,
            "ReadOperationFailed",
            `failed to determine the artifact tag for '${spec.url}'`,
            async () => {
              const choose = await tagChooser(choice ?? { semver: "*" });
              return choose(await registry.tags(signal), signal);
            },
          );
    const descriptor = await step(pass, "OCIArtifactPullFailed", "failed to determine artifact digest", () =>
      registry.resolve(chosen, signal),
    );
    return { tag: chosen, digest: descriptor.digest };
  };
  return shareCheck(pass, asked, check, isResolved);
}

/**
 * Nobody was asked for a digest. Whether the registry gives it to these credentials still is asked before its content is taken from another
 * object that has stored it, whatever a status says is stored already (SB-002, TM-004). Throws SourceFailure.
 */
async function confirm(pass: OCIPass, asker: Json, registry: Registry, digest: string): Promise<void> {
  const check = async () => (await registry.resolve(digest, pass.signal)).digest;
  const isText = (value: Json): value is string => typeof value === "string";
  await step(pass, "OCIArtifactPullFailed", pullWords(pass), () =>
    shareCheck(pass, ["oci-digest", asker, digest], check, isText),
  );
}

function isResolved(value: Json): value is Resolved {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  return typeof value.digest === "string" && isDigest(value.digest) && typeof value.tag === "string";
}

/** OCI-007, OCI-009 to OCI-014, once for all objects that want the same of the same (SB-005). Throws SourceFailure. */
async function pull(
  pass: OCIPass,
  { asker }: Remote,
  registry: Registry,
  digest: string,
  revision: string,
): Promise<void> {
  const { spec } = pass.object;
  const { mediaType = "", operation = "extract" } = spec.layerSelector ?? {};
  const isCopy = operation === "copy";
  let spool: Spool | undefined;
  try {
    await storeShared(pass, {
      asked: ["oci", asker, digest, mediaType, operation, isCopy ? null : (spec.ignore ?? null)],
      file: `${digest}.tar.gz`,
      fetch: async () => {
        const { content, annotations } = await fetchContent(pass, registry, digest, mediaType, isCopy);
        spool = content.spool;
        return { bytes: spool, facts: annotations, digest: content.digest };
      },
      isFacts,
      accept: async (annotations) => ({ revision, metadata: annotations }),
    });
  } finally {
    spool?.close();
  }
}

function isFacts(value: Json): value is Record<string, string> {
  return (
    typeof value === "object" &&
    value !== null &&
    !Array.isArray(value) &&
    Object.values(value).every((text) => typeof text === "string")
  );
}

/** OCI-025: a pull takes as long as it takes within the function's own time; `spec.timeout` is for what comes before. */
async function fetchContent(
  pass: OCIPass,
  registry: Registry,
  digest: string,
  mediaType: string,
  isCopy: boolean,
): Promise<{ content: { spool: Spool; digest: string }; annotations: Record<string, string> }> {
  const { object, context } = pass;
  const { signal } = context;
  const bytes = await step(pass, "OCIArtifactPullFailed", pullWords(pass), () => fetchImage(registry, digest, signal));
  const layerFailed = "OCIArtifactLayerOperationFailed";
  const image = await step(pass, layerFailed, "failed to parse artifact manifest", async () => parseImage(bytes));
  const layer = await step(pass, layerFailed, "", async () => selectLayer(image, mediaType));
  const blob = await step(pass, layerFailed, "failed to extract the first layer from artifact", () =>
    registry.blob(layer.digest, Math.min(layerLimit, layer.size), signal),
  );
  const { annotations } = image;
  if (isCopy) return { content: { spool: blob, digest: layer.digest }, annotations };
  try {
    const content = await step(pass, layerFailed, "failed to extract layer contents from artifact", () =>
      archiveLayer(blob, object.spec.ignore, signal),
    );
    return { content, annotations };
  } finally {
    blob.close();
  }
}

/** OCI-015: absent and empty differ, for `ignore` as for `layerSelector`. */
function isObserved({ spec, status }: OCIRepository): boolean {
  const selected = spec.layerSelector;
  const observed = status?.observedLayerSelector;
  return (
    spec.ignore === status?.observedIgnore &&
    (selected === undefined) === (observed === undefined) &&
    isDeepStrictEqual(
      [selected?.mediaType ?? "", selected?.operation ?? ""],
      [observed?.mediaType ?? "", observed?.operation ?? ""],
    )
  );
}

function observe({ object: { spec }, status }: OCIPass): void {
  if (spec.ignore === undefined) delete status.observedIgnore;
  else status.observedIgnore = spec.ignore;
  if (spec.layerSelector === undefined) delete status.observedLayerSelector;
  else status.observedLayerSelector = spec.layerSelector;
}

/** ART-022, OCI-016. */
function told({ object, status }: OCIPass): SourceResult {
  const { revision = "", metadata = {} } = status.artifact ?? {};
  const source = metadata["org.opencontainers.image.source"] ?? "";
  const origin = metadata["org.opencontainers.image.revision"] ?? "";
  const from = source === "" || origin === "" ? "" : `, origin source '${source}', origin revision '${origin}'`;
  return {
    inStorage: { reason: "Succeeded", message: `stored artifact for digest '${revision}'` },
    event: { message: `stored artifact with revision '${revision}' from '${object.spec.url}'${from}` },
  };
}

/** A reference as go-containerregistry writes it. */
function named({ repository: { host, path } }: Registry, { tag, digest }: Resolved): string {
  return tag === undefined ? `${host}/${path}@${digest}` : `${host}/${path}:${tag}`;
}

function pullWords({ object }: OCIPass): string {
  return `failed to pull artifact from '${object.spec.url}'`;
}

async function step<T>(pass: OCIPass, reason: FailureReason, words: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof SourceFailure || error instanceof SharedWorkUnderWay) throw error;
    throw failed(reason, words, error, pass);
  }
}

function failed(reason: FailureReason, words: string, error: unknown, { signal, context }: OCIPass): SourceFailure {
  const isLate = (signal.aborted || context.signal.aborted) && !(error instanceof RegistryError);
  const why = isLate ? "context deadline exceeded" : messageOf(error);
  return new SourceFailure("FetchFailed", reason, words === "" ? why : `${words}: ${why}`, { cause: error });
}
