import type { Artifact } from "../api/artifact.ts";
import type { HelmChart, HelmChartStatus } from "../api/helm-chart.ts";
import type { HelmRepository } from "../api/helm-repository.ts";
import type { KubernetesObject } from "../api/object.ts";
import { ApiError, isNotFound } from "../cluster/api-error.ts";
import { getObject } from "../cluster/objects.ts";
import { messageOf } from "../text/error-message.ts";
import { ownArtifactKey } from "./artifact-storage.ts";
import { type Build, type ChartPass, fileName, summaryOf, tellBuild } from "./helm-chart/build.ts";
import { buildFailure, isBuildFailure, withoutBuild } from "./helm-chart/build-failure.ts";
import { buildLocal } from "./helm-chart/local.ts";
import { buildRemote } from "./helm-chart/remote.ts";
import { SourceFailure } from "./source/source-failure.ts";
import type { SourceKind, SourceResult } from "./source/source-kind.ts";
import { sourceReconciler } from "./source/source-reconciler.ts";

const apiVersion = "source.toolkit.fluxcd.io/v1";
const sourceKinds = ["HelmRepository", "GitRepository", "Bucket"];

/** Resolves a chart, packages it where something of it changes, and stores it (sources.md, sections 1, 3 and 10). */
const helmChart: SourceKind<HelmChartStatus, HelmChart> = {
  against: ["StorageOperationFailed", "FetchFailed", "BuildFailed", "ArtifactOutdated", "Stalled", "Reconciling"],
  recoveries: ["BuildFailed", "FetchFailed", "StorageOperationFailed"],
  clearsStorageFailure: "stored",
  latest: "latest.tar.gz",
  storing: () => "unable to copy Helm chart to storage",
  failureOf: (error, { signal }) =>
    buildFailure("Unknown", signal.aborted ? new Error("context deadline exceeded") : error),
  produce: async (pass) => {
    const { conditions, status } = pass;
    if (conditions.get("SourceVerified")?.status === "False") conditions.remove("SourceVerified");
    if (pass.object.spec.verify === undefined) conditions.remove("SourceVerified");
    let build: Build;
    try {
      build = await buildChart(pass);
    } catch (error) {
      // A failure of one of the two says that there is none of the other any more.
      if (error instanceof SourceFailure && error.condition === "BuildFailed") conditions.remove("FetchFailed");
      else conditions.remove("BuildFailed");
      throw error;
    }
    tellBuild(pass, build);
    conditions.remove("FetchFailed");
    conditions.remove("BuildFailed");
    const { name, version, archive, dependencies, verified } = build;
    if (verified === true)
      conditions.set("SourceVerified", "True", "Succeeded", `verified signature of version ${version}`);
    if (dependencies > 0) pass.trace("ResolvedDependencies", `resolved ${dependencies} chart dependencies`);
    if (archive === undefined) {
      pass.trace("ArtifactUpToDate", `artifact up-to-date with remote revision: '${version}'`);
      return told(build);
    }
    await pass.store(`${fileName(name)}-${version}.tgz`, archive, { revision: version });
    conditions.remove("StorageOperationFailed");
    status.observedChartName = name;
    if (pass.object.spec.ignoreMissingValuesFiles === true && build.valuesFiles.length > 0)
      status.observedValuesFiles = [...build.valuesFiles];
    else delete status.observedValuesFiles;
    return told(build);
  },
};

/** The life of a HelmChart. */
export const helmChartReconciler = sourceReconciler(helmChart);

/** HC-058, HC-060. */
function told(build: Build): SourceResult {
  const reason = build.packaged ? "ChartPackageSucceeded" : "ChartPullSucceeded";
  const message = summaryOf(build);
  return { inStorage: { reason, message }, event: { message, reason } };
}

type Source = KubernetesObject & { status?: { artifact?: Artifact } };

/** The chart, built of its source. Throws SourceFailure. */
async function buildChart(pass: ChartPass): Promise<Build> {
  const build = await buildOf(pass);
  try {
    return await build();
  } catch (error) {
    throw error instanceof SourceFailure && !isBuildFailure(error) ? withoutBuild(pass, error) : error;
  }
}

/** What builds the chart, once its source is found. */
async function buildOf(pass: ChartPass): Promise<() => Promise<Build>> {
  const { object, context, status } = pass;
  const { kind, name } = object.spec.sourceRef;
  const source = await findSource(pass);
  const artifact = source.status?.artifact;
  if (isRepository(source) && source.spec.type === "oci") return () => buildRemote(pass, source);
  const key = artifact === undefined ? undefined : ownArtifactKey(context.clusterId, source, artifact);
  const isRemote = isRepository(source);
  const bytes = key === undefined ? undefined : await readSource(context, key, isRemote);
  if (artifact === undefined || bytes === undefined) {
    // HC-003: it is woken as soon as its source is ready (SB-007).
    pass.waitsFor.push({ apiVersion, kind, namespace: object.metadata.namespace ?? "", name });
    const message = `no artifact available for ${kind} source '${name}'`;
    throw new SourceFailure("FetchFailed", "NoSourceArtifact", message, { quiet: true });
  }
  status.observedSourceArtifactRevision = artifact.revision;
  if (isRemote) return () => buildRemote(pass, source);
  if (!(bytes instanceof Uint8Array)) throw new Error("the source's artifact was not read");
  return () => buildLocal(pass, artifact.revision, bytes);
}

/** The source's artifact, or for charts of a repository whether there is one. Throws SourceFailure ReadOperationFailed (SRC-037). */
async function readSource({ artifacts }: ChartPass["context"], key: string, isRemote: boolean) {
  try {
    return await (isRemote ? artifacts.head(key) : artifacts.get(key));
  } catch (error) {
    const why = messageOf(error);
    const message = `failed to open source artifact: ${why}`;
    throw new SourceFailure("FetchFailed", "ReadOperationFailed", message, { cause: error });
  }
}

/** HC-002. */
async function findSource(pass: ChartPass): Promise<Source> {
  const { object, context, conditions } = pass;
  const { kind, name } = object.spec.sourceRef;
  const namespace = object.metadata.namespace ?? "";
  if (!sourceKinds.includes(kind)) {
    const message = `failed to get source: unsupported source kind '${kind}', must be one of: [${sourceKinds.join(" ")}]`;
    conditions.set("FetchFailed", "True", "SourceUnavailable", message);
    throw new SourceFailure(undefined, "UnsupportedSourceKind", message);
  }
  try {
    return await getObject<Source>(context.cluster, { apiVersion, kind, namespace, name });
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    pass.waitsFor.push({ apiVersion, kind, namespace, name });
    // Flux reads it from a cache, which names the kind.
    const words = isNotFound(error) ? `${kind}.source.toolkit.fluxcd.io "${name}" not found` : error.message;
    const message = `failed to get source: ${words}`;
    throw new SourceFailure("FetchFailed", "SourceUnavailable", message, { cause: error });
  }
}

function isRepository(source: KubernetesObject): source is HelmRepository {
  return source.kind === "HelmRepository";
}
