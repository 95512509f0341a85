import type { ClusterClient } from "../../lib/cluster/client.ts";
import type { PostedEvent } from "./recorder.ts";

/** One of the two that are compared: a cluster, and who reconciles in it. */
export type Side = {
  name: "flux" | "sluice";
  client: ClusterClient;
  /** The path of an artifact's file, by the kind that offers it and `status.artifact.path`. */
  fileOf(kind: string, path: string): string;
  /** What it has told its notification controller or, by an Alert, a webhook. */
  posted(): PostedEvent[];
  /** Makes a namespace in which objects are told of. */
  openNamespace(name: string): Promise<void>;
};
