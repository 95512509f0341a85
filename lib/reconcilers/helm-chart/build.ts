import type { HelmChart, HelmChartStatus } from "../../api/helm-chart.ts";
import { type ChartLimits, readChartArchive } from "../../chart/archive.ts";
import { readMetadata } from "../../chart/metadata.ts";
import { effectiveValuesFiles } from "../../chart/values.ts";
import type { Context } from "../../engine/reconciler.ts";
import { parseLooseVersion } from "../../text/semver.ts";
import { ownArtifactKey } from "../artifact-storage.ts";
import type { SourcePass } from "../source/source-kind.ts";

/** One attempt at a HelmChart. */
export type ChartPass = SourcePass<HelmChartStatus, HelmChart>;

/** A chart that was built, or is stored already. */
export type Build = {
  name: string;
  version: string;
  /** Undefined where the stored artifact is this very chart (HC-050). */
  archive: Buffer | undefined;
  /** The values files that it was made with. */
  valuesFiles: readonly string[];
  packaged: boolean;
  /** How many dependencies were resolved for it. */
  dependencies: number;
  /** Whether its signature was verified. */
  verified?: boolean;
};

/** HC-058: what is said of a build. */
export function summaryOf({ name, version, valuesFiles, packaged }: Build): string {
  const action = packaged ? "packaged" : "pulled";
  const merged = valuesFiles.length === 0 ? "" : ` and merged values files [${valuesFiles.join(" ")}]`;
  return `${action} '${name}' chart with version '${version}'${merged}`;
}

/** ART-023: tells that another chart was built than the stored one, which is to be stored now. */
export function tellBuild(pass: ChartPass, build: Build): void {
  const { artifact, observedChartName } = pass.status;
  if (observedChartName === build.name && artifact?.revision === build.version) return;
  pass.outdated("NewChart", summaryOf(build));
}

/** The limits of charts that the operator has set (DEF-002). */
export function limitsOf({ settings }: Pick<Context, "settings">): ChartLimits {
  return { chart: settings.helmChartMaxBytes, file: settings.helmChartFileMaxBytes };
}

/** HC-042: build metadata of the version: what is given, and the generation where values files are merged. */
export function versionMetadata({ metadata, spec }: HelmChart, revision: string | undefined): string {
  const merges = effectiveValuesFiles(spec.valuesFiles ?? []).length > 0;
  return [revision, merges ? String(metadata.generation ?? 0) : undefined]
    .filter((part) => part !== undefined)
    .join(".");
}

/** HC-025: a version with other build metadata, as Masterminds/semver writes it. Throws with Flux's sentence where it is none. */
export function withMetadata(version: string, metadata: string): string {
  if (metadata === "") return version;
  const parsed = parseLooseVersion(version);
  if (parsed === undefined)
    throw new Error("failed to parse version from chart metadata as SemVer: invalid semantic version");
  const { major, minor, patch, prerelease } = parsed;
  return `${major}.${minor}.${patch}${prerelease === "" ? "" : `-${prerelease}`}+${metadata}`;
}

/**
 * HC-050, HC-051: the build where the stored artifact is the wanted chart already, by its own `Chart.yaml`, and the object has not
 * changed. A stored chart that cannot be read is none.
 */
export async function storedBuild(
  { object, context, status, signal }: ChartPass,
  name: string,
  version: string,
  packaged: boolean,
): Promise<Build | undefined> {
  const { artifact } = status;
  if (artifact === undefined || object.metadata.generation !== object.status?.observedGeneration) return undefined;
  const bytes = await context.artifacts.get(ownArtifactKey(context.clusterId, object, artifact));
  if (bytes === undefined) return undefined;
  try {
    const stored = readMetadata(await readChartArchive(bytes, limitsOf(context), signal));
    if (stored.name !== fileName(name) || stored.version !== version) return undefined;
  } catch {
    return undefined;
  }
  const valuesFiles = object.status?.observedValuesFiles ?? effectiveValuesFiles(object.spec.valuesFiles ?? []);
  return { name, version, archive: undefined, valuesFiles, packaged, dependencies: 0 };
}

/** The last part of a chart's name: in a registry it may be nested. */
export function fileName(name: string): string {
  return name.slice(name.lastIndexOf("/") + 1);
}
