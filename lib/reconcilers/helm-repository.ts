import type { HelmRepository, HelmRepositoryStatus } from "../api/helm-repository.ts";
import type { KubernetesObject } from "../api/object.ts";
import { type FetchedIndex, fetchIndex, type Validators } from "../chart/download.ts";
import { formatIndex, parseIndex } from "../chart/helm-index.ts";
import type { ChartRepository } from "../chart/repository.ts";
import type { Context, KindReconciler } from "../engine/reconciler.ts";
import { digestOf, isDigestAlgorithm } from "../platform/artifact-digest.ts";
import type { Json } from "../platform/ports.ts";
import { messageOf } from "../text/error-message.ts";
import { repositoryClient } from "./helm-repository/client.ts";
import { humanSize } from "./helm-repository/human-size.ts";
import { toldUrl, withoutUser } from "./helm-repository/told-url.ts";
import { keepIndex, knownIndex } from "./helm-repository/validators.ts";
import { shareCheck } from "./source/shared-check.ts";
import { storeShared } from "./source/shared-content.ts";
import { SourceFailure } from "./source/source-failure.ts";
import type { SourceKind, SourcePass, SourceResult } from "./source/source-kind.ts";
import { sourceReconciler } from "./source/source-reconciler.ts";
import { urlProblem } from "./source/url-problem.ts";

type RepositoryPass = SourcePass<HelmRepositoryStatus, HelmRepository>;

/** Fetches the index of a repository of charts and stores it (sources.md, sections 1, 3 and 9). */
const helmRepository: SourceKind<HelmRepositoryStatus, HelmRepository> = {
  against: ["StorageOperationFailed", "FetchFailed", "ArtifactOutdated", "Stalled", "Reconciling"],
  recoveries: ["FetchFailed", "StorageOperationFailed"],
  clearsStorageFailure: "stored",
  latest: "index.yaml",
  storing: () => "unable to save artifact to storage",
  failureOf: (error, { signal }) => fetchFailed(error, signal),
  produce: async (pass) => {
    const repository = await repositoryOf(pass);
    const asked = ["index", askedOf(repository)];
    const seen: { fetched?: FetchedIndex | undefined } = {};
    const revision = await shareCheck(pass, asked, () => lookAt(pass, repository, asked, seen), isText);
    const current = pass.status.artifact?.revision;
    const isCurrent =
      revision === current || (current !== undefined && (await isRevision(current, seen.fetched?.bytes)));
    if (isCurrent) pass.trace("ArtifactUpToDate", `artifact up-to-date with remote revision: '${current}'`);
    else await store(pass, repository, [...asked, revision], revision, seen.fetched);
    return told(pass);
  },
};

/** The life of a HelmRepository. One of the type `oci` is only read by others (HR-013). */
export const helmRepositoryReconciler: KindReconciler = {
  ...sourceReconciler(helmRepository),
  isPassive: (object: KubernetesObject & { spec?: { type?: unknown } }) => object.spec?.type === "oci",
};

/** What distinguishes a server's answer: where it is asked, and as whom. */
function askedOf({ url, outbound, credentials }: ChartRepository): Json {
  return [url, JSON.stringify(outbound), JSON.stringify(credentials ?? null)];
}

/** The revision of the index that is there now, by as few bytes as the server allows (SB-007). */
async function lookAt(
  { context, signal }: RepositoryPass,
  repository: ChartRepository,
  asked: Json,
  seen: { fetched?: FetchedIndex | undefined },
): Promise<string> {
  const known = await knownIndex(context, asked);
  seen.fetched = await fetchWithin(repository, known?.validators ?? {}, context, signal);
  if (seen.fetched === undefined) {
    if (known !== undefined) return known.revision;
    throw fetchFailed(new Error("the server says that nothing has changed, which it was not asked"), signal);
  }
  const revision = await digestOf("sha256", seen.fetched.bytes);
  await keepIndex(context, asked, { revision, validators: seen.fetched.validators }, known);
  return revision;
}

async function fetchWithin(
  repository: ChartRepository,
  known: Validators,
  { settings }: Pick<Context, "settings">,
  signal: AbortSignal,
): Promise<FetchedIndex | undefined> {
  try {
    return await fetchIndex(repository, known, settings.helmIndexMaxBytes, signal);
  } catch (error) {
    throw fetchFailed(error, signal);
  }
}

/** HR-001, HR-008 to HR-011: who is asked, and as whom. */
async function repositoryOf({ object, context }: RepositoryPass): Promise<ChartRepository> {
  const { url } = object.spec;
  if (url.startsWith("oci://")) throw invalidUrl("'oci' URL scheme cannot be used with 'default' HelmRepository type");
  if (!URL.canParse(url)) throw invalidUrl(urlProblem(toldUrl(url)));
  try {
    const client = await repositoryClient(context, object);
    if (client.type === "default") return client.repository;
    throw new Error("the repository is a registry");
  } catch (error) {
    throw new SourceFailure("FetchFailed", "AuthenticationFailed", messageOf(error), { cause: error });
  }
}

function invalidUrl(words: string): SourceFailure {
  return new SourceFailure("FetchFailed", "URLInvalid", `invalid Helm repository URL: ${words}`, { terminal: true });
}

/** HR-006. */
function fetchFailed(error: unknown, signal: AbortSignal): SourceFailure {
  const words = signal.aborted ? "context deadline exceeded" : messageOf(error);
  const message = `failed to fetch Helm repository index: failed to cache index to temporary file: ${words}`;
  return new SourceFailure("FetchFailed", "Failed", message, { cause: error });
}

/** HR-003: whether these bytes are the artifact's, by the algorithm of its revision. */
async function isRevision(revision: string, bytes: Uint8Array | undefined): Promise<boolean> {
  const algorithm = revision.slice(0, Math.max(revision.indexOf(":"), 0));
  return bytes !== undefined && isDigestAlgorithm(algorithm) && (await digestOf(algorithm, bytes)) === revision;
}

/**
 * HR-004 to HR-006, HR-012: reads the index and stores it as JSON, or takes over what another object has made of the same bytes. `asked`
 * names server, credentials and revision.
 */
async function store(
  pass: RepositoryPass,
  repository: ChartRepository,
  asked: Json,
  revision: string,
  fetched: FetchedIndex | undefined,
): Promise<void> {
  const { context, signal } = pass;
  await storeShared(pass, {
    asked,
    file: `index-${revision.slice(revision.indexOf(":") + 1)}.yaml`,
    isFacts: isText,
    fetch: async () => {
      const found = fetched ?? (await fetchWithin(repository, {}, context, signal));
      if (found === undefined || (await digestOf("sha256", found.bytes)) !== revision)
        throw fetchFailed(new Error("the index changed while it was fetched"), signal);
      return { bytes: indexed(found.bytes, context.settings.helmIndexMaxBytes), facts: revision };
    },
    accept: async (facts) => {
      pass.conditions.remove("FetchFailed");
      pass.outdated("NewRevision", `new index revision '${facts}'`);
      return { revision: facts };
    },
  });
  pass.conditions.remove("StorageOperationFailed");
}

/** The index as it is stored. */
function indexed(bytes: Uint8Array, size: number): Buffer {
  try {
    return formatIndex(parseIndex(bytes, { size }));
  } catch (error) {
    const message = `failed to load Helm repository from index YAML: failed to load index: ${messageOf(error)}`;
    throw new SourceFailure("FetchFailed", "IndexationFailed", message, { cause: error });
  }
}

function isText(value: Json): value is string {
  return typeof value === "string";
}

/** ART-022, HR-012. */
function told({ object, status }: RepositoryPass): SourceResult {
  const { revision = "", size } = status.artifact ?? {};
  const told = size === undefined ? "unknown size" : `size ${humanSize(size)}`;
  return {
    inStorage: { reason: "Succeeded", message: `stored artifact: revision '${revision}'` },
    event: { message: `stored fetched index of ${told} from '${withoutUser(object.spec.url)}'` },
  };
}
