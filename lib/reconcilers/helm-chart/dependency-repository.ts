import type { HelmRepository } from "../../api/helm-repository.ts";
import { normalizedUrl } from "../../chart/dependencies.ts";
import { listObjects } from "../../cluster/objects.ts";
import type { Context } from "../../engine/reconciler.ts";
import { type Charts, openRepository } from "./repository.ts";

const apiVersion = "source.toolkit.fluxcd.io/v1";

/**
 * The repository of a dependency (HC-027): a HelmRepository of the namespace with the same normalised address gives its credentials and
 * its stored index; without one, it is asked anonymously within 60 seconds. Throws with a sentence.
 */
export async function dependencyRepository(context: Context, namespace: string, url: string): Promise<Charts> {
  const known = await listObjects<HelmRepository>(context.cluster, { apiVersion, kind: "HelmRepository", namespace });
  const found = known.find(({ spec }) => isAt(spec.url, url));
  const own: HelmRepository = found ?? {
    apiVersion,
    kind: "HelmRepository",
    metadata: { name: "", namespace },
    spec: { url, timeout: "60s" },
  };
  if (!url.startsWith("oci://")) return openRepository(context, own);
  return openRepository(context, { ...own, spec: { ...own.spec, type: "oci" } });
}

function isAt(repository: string, url: string): boolean {
  try {
    return normalizedUrl(repository) === url;
  } catch {
    return false;
  }
}
