import type { HelmRepository, HelmRepositoryStatus } from "../api/helm-repository.ts";
import type { KubernetesObject } from "../api/object.ts";
import { type FetchedIndex, fetchIndex } from "../chart/download.ts";
import { formatIndex, type HelmIndex, parseIndex } from "../chart/index.ts";
import type { ChartRepository } from "../chart/repository.ts";
import type { KindReconciler } from "../engine/reconciler.ts";
import { digestOf, isDigestAlgorithm } from "../platform/artifact-digest.ts";
import { repositoryClient } from "./helm-repository/client.ts";
import { humanSize } from "./helm-repository/human-size.ts";
import { forgetValidators, keepValidators, knownValidators } from "./helm-repository/validators.ts";
import { SourceFailure } from "./source/source-failure.ts";
import type { SourceKind, SourcePass, SourceResult } from "./source/source-kind.ts";
import { sourceReconciler } from "./source/source-reconciler.ts";

type RepositoryPass = SourcePass<HelmRepositoryStatus, HelmRepository>;

/** Fetches the index of a repository of charts and stores it (sources.md, sections 1, 3 and 9). */
const helmRepository: SourceKind<HelmRepositoryStatus, HelmRepository> = {
  against: ["StorageOperationFailed", "FetchFailed", "ArtifactOutdated", "Stalled", "Reconciling"],
  recoveries: ["FetchFailed", "StorageOperationFailed"],
  clearsStorageFailure: "stored",
  latest: "index.yaml",
  failureOf: (error, { signal }) => fetchFailed(error, signal),
  produce: async (pass) => {
    const { status, context, signal } = pass;
    const repository = await repositoryOf(pass);
    const known = await knownValidators(pass);
    const limit = context.settings.helmIndexMaxBytes;
    const fetched = await fetchIndex(repository, known, limit, signal).catch((error: unknown) => {
      throw fetchFailed(error, signal);
    });
    const current = status.artifact?.revision;
    if (current !== undefined && (fetched === undefined || (await isRevision(current, fetched.bytes))))
      pass.trace("ArtifactUpToDate", `artifact up-to-date with remote revision: '${current}'`);
    else if (fetched !== undefined) await store(pass, fetched, limit);
    if (fetched !== undefined) await keepValidators(pass, fetched.validators, known);
    return told(pass);
  },
};

const shared = sourceReconciler(helmRepository);

/** The life of a HelmRepository. One of the type `oci` is only read by others (HR-013). */
export const helmRepositoryReconciler: KindReconciler = {
  ...shared,
  isPassive: (object: KubernetesObject & { spec?: { type?: unknown } }) => object.spec?.type === "oci",
  finalize: async (object, context, continuation) => {
    const outcome = await shared.finalize(object, context, continuation);
    if (outcome.done) await forgetValidators(context, object);
    return outcome;
  },
};

/** HR-001, HR-008 to HR-011: who is asked, and as whom. */
async function repositoryOf({ object, context }: RepositoryPass): Promise<ChartRepository> {
  const { url } = object.spec;
  if (url.startsWith("oci://")) throw invalidUrl("'oci' URL scheme cannot be used with 'default' HelmRepository type");
  if (!URL.canParse(url)) throw invalidUrl("it cannot be parsed");
  try {
    const client = await repositoryClient(context, object);
    if (client.type === "default") return client.repository;
    throw new Error("the repository is a registry");
  } catch (error) {
    throw new SourceFailure("FetchFailed", "AuthenticationFailed", wordsOf(error), { cause: error });
  }
}

function invalidUrl(words: string): SourceFailure {
  return new SourceFailure("FetchFailed", "URLInvalid", `invalid Helm repository URL: ${words}`, { terminal: true });
}

/** HR-006. */
function fetchFailed(error: unknown, signal: AbortSignal): SourceFailure {
  const words = signal.aborted ? "context deadline exceeded" : wordsOf(error);
  const message = `failed to fetch Helm repository index: failed to cache index to temporary file: ${words}`;
  return new SourceFailure("FetchFailed", "Failed", message, { cause: error });
}

/** HR-003: whether these bytes are the artifact's, by the algorithm of its revision. */
async function isRevision(revision: string, bytes: Uint8Array): Promise<boolean> {
  const algorithm = revision.slice(0, Math.max(revision.indexOf(":"), 0));
  return isDigestAlgorithm(algorithm) && (await digestOf(algorithm, bytes)) === revision;
}

/** HR-004 to HR-006, HR-012: reads the index and stores it as JSON. */
async function store(pass: RepositoryPass, { bytes }: FetchedIndex, size: number): Promise<void> {
  let index: HelmIndex;
  try {
    index = parseIndex(bytes, { size });
  } catch (error) {
    const message = `failed to load Helm repository from index YAML: failed to load index: ${wordsOf(error)}`;
    throw new SourceFailure("FetchFailed", "IndexationFailed", message, { cause: error });
  }
  pass.conditions.remove("FetchFailed");
  const revision = await digestOf("sha256", bytes);
  pass.outdated("NewRevision", `new index revision '${revision}'`);
  await pass.store(`index-${revision.slice(revision.indexOf(":") + 1)}.yaml`, formatIndex(index), { revision });
  pass.conditions.remove("StorageOperationFailed");
}

/** ART-022, HR-012. */
function told({ object, status }: RepositoryPass): SourceResult {
  const { revision = "", size } = status.artifact ?? {};
  const told = size === undefined ? "unknown size" : `size ${humanSize(size)}`;
  return {
    inStorage: { reason: "Succeeded", message: `stored artifact: revision '${revision}'` },
    event: { message: `stored fetched index of ${told} from '${object.spec.url}'` },
  };
}

function wordsOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
