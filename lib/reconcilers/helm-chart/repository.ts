import type { HelmRepository } from "../../api/helm-repository.ts";
import { chooseVersion } from "../../chart/chart-version.ts";
import { normalizedUrl } from "../../chart/dependencies.ts";
import { downloadChart, fetchIndex } from "../../chart/download.ts";
import { type HelmIndex, parseIndex, readStoredIndex } from "../../chart/helm-index.ts";
import type { Context } from "../../engine/reconciler.ts";
import { messageOf } from "../../text/error-message.ts";
import { ownArtifactKey } from "../artifact-storage.ts";
import { type RepositoryClient, repositoryClient } from "../helm-repository/client.ts";
import { limitsOf } from "./build.ts";
import { openRegistryCharts } from "./registry.ts";

/** A version of a chart that a repository offers. */
export type OfferedChart = {
  name: string;
  version: string;
  /** Throws with a sentence without secrets. */
  download(): Promise<Uint8Array>;
};

/** The charts of a HelmRepository, or of an address that there is none for. */
export type Charts = {
  /** Whether it is a registry, whose versions are found out by asking it. */
  isRegistry: boolean;
  /** The version that a range selects (HC-011, HC-013). Throws with Flux's sentence where there is none. */
  find(name: string, range: string): Promise<OfferedChart>;
};

/** Opens the charts of a repository whose Secrets were read: its stored index, or the one that is served where none is stored. */
export function openCharts(context: Context, object: HelmRepository, client: RepositoryClient): Promise<Charts> {
  const signal = AbortSignal.any([context.signal, AbortSignal.timeout(client.timeoutMilliseconds)]);
  if (client.type === "oci") return openRegistryCharts(context, object, client, signal);
  return openIndexCharts(context, object, client, signal);
}

/** Reads a repository's Secrets and opens its charts. Throws with a sentence. */
export async function openRepository(context: Context, object: HelmRepository): Promise<Charts> {
  return openCharts(context, object, await repositoryClient(context, object));
}

async function openIndexCharts(
  context: Context,
  object: HelmRepository,
  client: RepositoryClient & { type: "default" },
  signal: AbortSignal,
): Promise<Charts> {
  const repository = { ...client.repository, url: normalizedUrl(client.repository.url) };
  const stored = await storedIndex(context, object);
  let served: Promise<HelmIndex> | undefined;
  return {
    isRegistry: false,
    find: async (name, range) => {
      served ??= stored === undefined ? servedIndex() : Promise.resolve(stored);
      const entry = chooseVersion(await served, name, range);
      const { chart } = limitsOf(context);
      return {
        name: entry.name,
        version: entry.version,
        download: () => downloadChart(repository, entry, chart, signal),
      };
    },
  };

  async function servedIndex(): Promise<HelmIndex> {
    const size = context.settings.helmIndexMaxBytes;
    const failed = (told: string) => (cause: unknown) => {
      throw new Error(`${told}: ${messageOf(cause)}`, { cause });
    };
    const fetched = await fetchIndex(repository, {}, size, signal).catch(
      failed("failed to cache index: failed to cache index to temporary file"),
    );
    const parse = async () => parseIndex(fetched?.bytes ?? Buffer.alloc(0), { size });
    return parse().catch(failed("failed to load index"));
  }
}

/** The index that a HelmRepository has stored; undefined where it has none. */
async function storedIndex(context: Context, object: HelmRepository): Promise<HelmIndex | undefined> {
  const artifact = object.status?.artifact;
  if (artifact === undefined) return undefined;
  const bytes = await context.artifacts.get(ownArtifactKey(context.clusterId, object, artifact));
  return bytes === undefined ? undefined : readStoredIndex(bytes);
}
