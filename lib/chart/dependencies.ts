import { messageOf } from "../text/error-message.ts";
import { parseLooseVersion } from "../text/semver.ts";
import { parseVersionRange, satisfies } from "../text/semver-range.ts";
import type { ChartLimits } from "./archive.ts";
import { type Chart, loadArchive } from "./load.ts";
import { loadChartAt, type SourceTree } from "./load-tree.ts";
import { type ChartDependency, dependenciesIn } from "./metadata.ts";
import { confinedPath } from "./values.ts";

/** A repository as dependencies need it: finds the version that a range selects, and downloads it. */
export type DependencyRepository = {
  find(name: string, range: string): Promise<{ version: string; download(): Promise<Uint8Array> }>;
};

/** Where dependencies come from. */
export type DependencySources = {
  tree: SourceTree;
  /** The chart's directory within the tree. */
  path: string;
  limits: ChartLimits;
  signal: AbortSignal;
  /** The repository at a normalised address of http, https or oci (HC-027). */
  open(url: string): Promise<DependencyRepository>;
};

/** Dependencies that a chart may name: each is a download. */
const countLimit = 200;

/**
 * Adds the charts that a chart depends on and does not hold (HC-026). Returns how many. Throws with Flux's sentence for the first, in
 * the order of the chart, that cannot be added.
 */
export async function addDependencies(chart: Chart, sources: DependencySources): Promise<number> {
  const missing = missingDependencies(chart);
  if (missing.size > countLimit) throw new Error(`a chart may have at most ${countLimit} dependencies to resolve`);
  const opened = new Map<string, Promise<DependencyRepository>>();
  for (const [name, dependency] of missing) {
    const isLocal = dependency.repository === "" || dependency.repository.startsWith("file://");
    try {
      const found = await (isLocal ? localChart(dependency, sources) : remoteChart(dependency, sources, opened));
      // Flux renames the chart to its alias, and the helm CLI then takes it for missing. Under its own name every reader finds it.
      chart.dependencies.push({ ...found, directory: name });
    } catch (error) {
      const words = messageOf(error);
      const told = `failed to add ${isLocal ? "local" : "remote"} dependency '${name}': ${words}`;
      throw new Error(told, { cause: error });
    }
  }
  return missing.size;
}

/**
 * What a chart depends on and does not hold, by alias or name: `Chart.lock` has precedence over `Chart.yaml`. As many charts as are
 * required, whichever they are, are enough (HC-028).
 */
export function missingDependencies(chart: Chart): Map<string, ChartDependency> {
  const required = dependenciesIn(chart.lock ?? chart.metadata);
  if (required.length === chart.dependencies.length) return new Map();
  const held = new Set(chart.dependencies.map(({ metadata }) => metadata.name));
  return new Map(
    required
      .map((dependency): [string, ChartDependency] => [dependency.alias || dependency.name, dependency])
      .filter(([name]) => !held.has(name)),
  );
}

async function localChart(dependency: ChartDependency, { tree, path, limits, signal }: DependencySources) {
  const { name, repository, version } = dependency;
  const target = confinedPath(`${path}/${repository === "" ? `charts/${name}` : pathOfFileUrl(repository)}`);
  const selected = await tree.select([target]);
  if (target !== "" && !selected.files.has(target) && !selected.directories.has(target))
    throw new Error(`no chart found at '/${target}' (reference '${repository}')`);
  const range = rangeOf(version);
  let chart: Chart;
  try {
    chart = await loadChartAt(selected, target, limits, signal);
  } catch (error) {
    const words = messageOf(error);
    throw new Error(`failed to load chart from '/${target}' (reference '${repository}'): ${words}`, { cause: error });
  }
  const found = parseLooseVersion(chart.metadata.version);
  if (found === undefined || !satisfies(found, range))
    throw new Error(`can't get a valid version for constraint '${version}'`);
  return chart;
}

function pathOfFileUrl(repository: string): string {
  try {
    return decodeURIComponent(repository.slice("file://".length).replace(/[?#].*$/s, ""));
  } catch (cause) {
    throw new Error("failed to parse alleged local chart reference: it is no URL", { cause });
  }
}

function rangeOf(version: string): ReturnType<typeof parseVersionRange> {
  try {
    return parseVersionRange(version);
  } catch (cause) {
    const words = messageOf(cause);
    throw new Error(`invalid version/constraint format '${version}': ${words}`, { cause });
  }
}

async function remoteChart(
  { name, version, repository }: ChartDependency,
  { limits, signal, open }: DependencySources,
  opened: Map<string, Promise<DependencyRepository>>,
): Promise<Chart> {
  const url = normalizedUrl(repository);
  checkScheme(url);
  let opening = opened.get(url);
  if (opening === undefined) {
    opening = open(url);
    opened.set(url, opening);
  }
  const source = await wrapped(opening, `failed to get chart repository for URL '${shown(url)}'`);
  const told = `failed to get chart '${name}' version '${version}' from '${shown(repository)}'`;
  const found = await wrapped(source.find(name, version), told);
  const archive = await wrapped(found.download(), `chart download of version '${found.version}' failed`);
  const loading = loadArchive(archive, limits, signal);
  return wrapped(loading, `failed to load downloaded archive of version '${found.version}'`);
}

async function wrapped<Result>(work: Promise<Result>, told: string): Promise<Result> {
  try {
    return await work;
  } catch (cause) {
    throw new Error(`${told}: ${messageOf(cause)}`, { cause });
  }
}

/** HC-026: http, https and oci; what begins with `@` is an alias of somebody's own machine. */
function checkScheme(url: string): void {
  if (/^(?:oci|https?:\/\/)/.test(url)) return;
  if (url.startsWith("@")) throw new Error(`aliased repository dependency is not supported: ${shown(url)}`);
  throw new Error(`invalid dependency repository URL: ${shown(url)}`);
}

/** Characters of an address. */
const urlLimit = 4096;

/**
 * A repository's address as Flux compares it (HC-027): with one slash at the end of its path, and none where it is of oci. An alias has
 * one, too: it is taken for a path. Throws for what is no URL.
 */
export function normalizedUrl(url: string): string {
  if (url === "") return "";
  const isPath = url.startsWith("@") || !url.includes(":");
  if (url.length > urlLimit || (!isPath && !URL.canParse(url))) fail(url);
  const [address = ""] = url.split(/[?#]/, 1);
  let end = address.length;
  while (address[end - 1] === "/" && !address.slice(0, end).endsWith("://")) end--;
  return `${address.slice(0, end)}${url.startsWith("oci:") ? "" : "/"}${url.slice(address.length)}`;
}

function fail(url: string): never {
  throw new Error(`parse ${JSON.stringify(shown(url).slice(0, 200))}: invalid URL`);
}

/** An address as errors may show it: without user information and query (SEC-012). */
function shown(url: string): string {
  return url.replace(/^([a-z]+:\/\/)[^/?#]*@/i, "$1").replace(/[?#].*$/s, "");
}
