import { readdir, readFile } from "node:fs/promises";
import type { ClusterEntry, ClusterRegistry } from "../ports.ts";
import { isAbsent, storagePath } from "./storage-path.ts";

/**
 * How a cluster is reached: the text of a kubeconfig, or what gives it at each use, and which of its contexts (its current one where
 * none is named).
 */
export type NamedCluster = { id: string; kubeconfig: string | (() => Promise<string>); context?: string };

const suffix = ".kubeconfig";

/**
 * The clusters of a local host: the one that it was started for, and whoever has a file `<id>.kubeconfig` in `directory`,
 * of which the current context counts. Files are read at each use.
 */
export function createLocalClusters(directory: string, named: NamedCluster): ClusterRegistry {
  return {
    list: async () => {
      const files = await filesIn(directory);
      const ids = files.filter((name) => name.endsWith(suffix)).map((name) => name.slice(0, -suffix.length));
      return [...new Set([named.id, ...ids])].sort();
    },
    get: async (id): Promise<ClusterEntry | undefined> => {
      if (id === named.id) return { ...named, type: "kubeconfig", kubeconfig: await textOf(named) };
      if (!/^[a-zA-Z0-9][a-zA-Z0-9._-]{0,252}$/.test(id)) return undefined;
      try {
        const kubeconfig = await readFile(storagePath(directory, `${id}${suffix}`), "utf8");
        return { id, type: "kubeconfig", kubeconfig };
      } catch (error) {
        if (isAbsent(error)) return undefined;
        throw error;
      }
    },
  };
}

async function textOf({ kubeconfig }: NamedCluster): Promise<string> {
  return typeof kubeconfig === "string" ? kubeconfig : kubeconfig();
}

async function filesIn(directory: string): Promise<string[]> {
  try {
    return await readdir(directory);
  } catch (error) {
    if (isAbsent(error)) return [];
    throw error;
  }
}
