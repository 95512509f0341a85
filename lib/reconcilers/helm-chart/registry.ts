import type { HelmRepository } from "../../api/helm-repository.ts";
import type { Context } from "../../engine/reconciler.ts";
import type { RepositoryClient } from "../helm-repository/client.ts";
import type { Charts } from "./repository.ts";

/** The charts of a registry (HC-013). */
export async function openRegistryCharts(
  _context: Context,
  _object: HelmRepository,
  _client: RepositoryClient & { type: "oci" },
  _signal: AbortSignal,
): Promise<Charts> {
  throw new Error("charts in registries cannot be used with this release of Sluice");
}
