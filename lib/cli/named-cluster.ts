import { resolve } from "node:path";
import type { ClusterClient } from "../cluster/client.ts";
import { connect } from "../cluster/connect.ts";
import { readKubeconfigContext } from "../host/kubeconfig-context.ts";
import { messageOf } from "../text/error-message.ts";

/** The options by which a command is told its cluster. It never guesses one: the current context may be anybody's. */
export const namedCluster = {
  kubeconfig: { type: "string", required: true, valueHint: "FILE", description: "kubeconfig of the cluster" },
  context: {
    type: "string",
    required: true,
    valueHint: "NAME",
    description: "context of the kubeconfig; no other context is touched",
  },
} as const;

/** Connects to the named context. Throws with a sentence where there is no such file or context. */
export async function connectToNamed(args: { kubeconfig: string; context: string }): Promise<ClusterClient> {
  const kubeconfig = await readKubeconfigContext(resolve(args.kubeconfig), args.context);
  return connect({ type: "kubeconfig", kubeconfig }, { userAgent: "sluice/0.1.0", trusted: true });
}

/** Runs a command. What goes wrong is told in a sentence, and makes the program's exit code 1. */
export async function orTell(work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    console.error(`sluice: ${messageOf(error)}`);
    process.exitCode = 1;
  }
}
