import { readChartArchive } from "../../chart/archive.ts";
import { addDependencies } from "../../chart/dependencies.ts";
import { chartAt, directoryMetadata, loadChartAt, sourceTree, type Tree } from "../../chart/load-tree.ts";
import { type ChartMetadata, readMetadata } from "../../chart/metadata.ts";
import { packageChart } from "../../chart/package.ts";
import { confinedPath, effectiveValuesFiles, mergeFileValues, overwriteValues } from "../../chart/values.ts";
import { type Build, type ChartPass, limitsOf, storedBuild, versionMetadata, withMetadata } from "./build.ts";
import { step } from "./build-failure.ts";
import { dependencyRepository } from "./dependency-repository.ts";

/** Builds a chart of a GitRepository's or Bucket's artifact (HC-020 to HC-030, HC-040 to HC-045). Throws SourceFailure. */
export async function buildLocal(pass: ChartPass, revision: string, artifact: Uint8Array): Promise<Build> {
  const { object, context, signal } = pass;
  const { spec, metadata } = object;
  const limits = limitsOf(context);
  const source = sourceTree(artifact, limits, signal);
  const valuesFiles = effectiveValuesFiles(spec.valuesFiles ?? []);
  const path = await step("InvalidChartReference", () => chartPath(spec.chart));
  const wanted = [path, ...valuesFiles.map(confinedPath)];
  const tree = await step("InvalidChartReference", () => source.select(wanted));
  const found = await step("InvalidChartReference", async () => {
    const at = chartAt(tree, path, limits);
    const known = at.isDirectory
      ? directoryMetadata(tree, path, limits)
      : readMetadata(await readChartArchive(at.archive, limits, signal));
    return { at, metadata: known };
  });
  const shortened = spec.reconcileStrategy === "Revision" ? shortRevision(revision) : undefined;
  const buildMetadata = versionMetadata(object, shortened);
  const version = await step("MetadataPatchError", () => withMetadata(found.metadata.version, buildMetadata));
  const { name } = found.metadata;
  const packaged = found.at.isDirectory || buildMetadata !== "";
  const stored = await storedBuild(pass, name, version, packaged);
  if (stored !== undefined) return stored;
  if (!found.at.isDirectory && !packaged)
    return { name, version, archive: found.at.archive, valuesFiles: [], packaged, dependencies: 0 };
  const merged =
    valuesFiles.length === 0
      ? undefined
      : await step("ValuesFilesError", () =>
          mergeFileValues((file) => fileIn(tree, file), valuesFiles, spec.ignoreMissingValuesFiles === true),
        );
  const chart = await step("ChartPackageError", () => loadChartAt(tree, path, limits, signal));
  setVersion(chart.metadata, version);
  const changed = merged !== undefined && (await step("ValuesFilesError", () => overwriteValues(chart, merged.values)));
  const open = (url: string) => dependencyRepository(context, metadata.namespace ?? "", url);
  const dependencies = found.at.isDirectory
    ? await step("DependencyBuildError", () => addDependencies(chart, { tree: source, path, limits, signal, open }))
    : 0;
  const archive = await step("ChartPackageError", () => packageChart(chart));
  return { name, version, archive, valuesFiles: changed ? merged.files : [], packaged, dependencies };
}

/** HC-020. */
function chartPath(path: string): string {
  if (path === "") throw new Error("no path set for local chart reference");
  if (path.startsWith("/")) throw new Error("local chart reference path is expected to be relative");
  return confinedPath(path);
}

/** HC-024: the first 12 digits of the commit, or of the digest, of a revision. */
function shortRevision(revision: string): string {
  return revision.slice(Math.max(revision.lastIndexOf(":"), revision.lastIndexOf("/")) + 1).slice(0, 12);
}

function setVersion(metadata: ChartMetadata, version: string): void {
  metadata.version = version;
}

function fileIn(tree: Tree, path: string): { name: string; content: Buffer } | undefined {
  const content = tree.files.get(path)?.content;
  return content === undefined ? undefined : { name: path, content };
}
