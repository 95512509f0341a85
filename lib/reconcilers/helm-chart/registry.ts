import type { HelmRepository } from "../../api/helm-repository.ts";
import type { Context } from "../../engine/reconciler.ts";
import { type Descriptor, isDigest, openRegistry, parseDescriptor, type Registry } from "../../oci/registry.ts";
import { isAbsent, orasWords, RegistryError } from "../../oci/registry-error.ts";
import { parseRepositoryName } from "../../oci/repository-name.ts";
import { messageOf } from "../../text/error-message.ts";
import { compareVersions, parseVersion, type Version } from "../../text/semver.ts";
import { parseVersionRange, satisfies } from "../../text/semver-range.ts";
import type { RepositoryClient } from "../helm-repository/client.ts";
import { limitsOf } from "./build.ts";
import type { Charts, OfferedChart } from "./repository.ts";

const configType = "application/vnd.cncf.helm.config.v1+json";
const chartTypes = ["application/vnd.cncf.helm.chart.content.v1.tar+gzip", "application/tar+gzip"];

/** A chart of a registry, with what its signature speaks of. */
export type RegistryChart = OfferedChart & {
  registry: Registry;
  tag: string;
  /** `oci://<host>/<path>:<tag>` */
  address: string;
  /** From then on it is what this digest stands for, whatever becomes of the tag. */
  pin(digest: string): void;
};

/** Whether a chart is one of a registry. */
export function isRegistryChart(chart: OfferedChart): chart is RegistryChart {
  return "registry" in chart && "pin" in chart;
}

/**
 * The charts of a registry (HC-013): each is a repository of its own, and its versions are tags, with `_` for `+`.
 */
export async function openRegistryCharts(
  context: Context,
  _object: HelmRepository,
  { url, outbound, insecure, credentials }: RepositoryClient & { type: "oci" },
  signal: AbortSignal,
): Promise<Charts> {
  return {
    isRegistry: true,
    find: async (name, range): Promise<RegistryChart> => {
      const address = `${url}/${name}`;
      const repository = parseRepositoryName(address.replace(/^oci:\/\//, ""));
      const registry = openRegistry({
        repository,
        outbound,
        insecure,
        ...(credentials === undefined ? {} : { credentials }),
      });
      const version = parseVersion(range) === undefined ? await highest(registry, address, name, range, signal) : range;
      const tag = version.replaceAll("+", "_");
      let reference = tag;
      const download = () => pull(registry, reference, limitsOf(context).chart, signal, `${address}:${version}`);
      const pin = (digest: string) => {
        reference = digest;
      };
      return { name, version, download, registry, tag, address: `${address}:${tag}`, pin };
    },
  };
}

/** The highest version of the tags within a range; that very tag where there is one. */
async function highest(
  registry: Registry,
  address: string,
  name: string,
  range: string,
  signal: AbortSignal,
): Promise<string> {
  let tags: string[];
  try {
    tags = (await registry.tags(signal)).map((tag) => tag.replaceAll("_", "+"));
  } catch (error) {
    throw new Error(`could not get tags for "${name}": could not fetch tags for "${address}": ${wordsOf(error)}`, {
      cause: error,
    });
  }
  if (tags.length === 0) throw new Error(`unable to locate any tags in provided repository: ${name}`);
  if (range !== "" && tags.includes(range)) return range;
  const wanted = parseVersionRange(range === "" ? "*" : range);
  let best: Version | undefined;
  for (const tag of tags) {
    const version = parseVersion(tag);
    if (version === undefined || !satisfies(version, wanted)) continue;
    if (best === undefined || compareVersions(version, best) > 0) best = version;
  }
  if (best === undefined) throw new Error(`could not locate a version matching provided version string ${range}`);
  return best.original;
}

/** Pulls a chart as Helm does: the layer with its content, whose manifest has Helm's configuration. */
async function pull(
  registry: Registry,
  reference: string,
  limit: number,
  signal: AbortSignal,
  told: string,
): Promise<Uint8Array> {
  try {
    const layer = chartLayer(await manifestOf(registry, reference, signal));
    if (layer.size > limit) throw new Error(`size of chart exceeds '${limit}' bytes limit: it has ${layer.size} bytes`);
    const spool = await registry.blob(layer.digest, limit, signal);
    try {
      return Buffer.from(spool.read(0, spool.size));
    } finally {
      spool.close();
    }
  } catch (error) {
    throw new Error(`failed to get '${told}': ${wordsOf(error)}`, { cause: error });
  }
}

async function manifestOf(registry: Registry, reference: string, signal: AbortSignal): Promise<Buffer> {
  try {
    return (await registry.manifest(reference, signal)).bytes;
  } catch (error) {
    const { host, path } = registry.repository;
    const words = isAbsent(error)
      ? `${host}/${path}${isDigest(reference) ? "@" : ":"}${reference}: not found`
      : wordsOf(error);
    throw new Error(`failed to perform "FetchReference" on source: ${words}`, { cause: error });
  }
}

function chartLayer(manifest: Buffer): Descriptor {
  const value: unknown = JSON.parse(manifest.toString("utf8"));
  const { config, layers } = typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
  if (parseDescriptor(config)?.mediaType !== configType)
    throw new Error(`could not load config with mediatype ${configType}`);
  const descriptors = (Array.isArray(layers) ? layers : []).map((layer: unknown) => parseDescriptor(layer));
  const found = descriptors.find((layer) => layer !== undefined && chartTypes.includes(layer.mediaType));
  if (found === undefined) throw new Error("manifest does not contain a layer with a chart");
  return found;
}

/** A registry that refuses is told with its status, by which an authentication that failed is known (HC-017). */
function wordsOf(error: unknown): string {
  if (error instanceof RegistryError) return orasWords(error);
  return messageOf(error);
}
