import { join } from "node:path";
import { CreateSecretCommand, GetSecretValueCommand, SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import { installInto } from "../../../lib/cli/install-cluster.ts";
import { type ControlPlane, startControlPlane } from "../../../lib/host/control-plane/control-plane.ts";
import { connectTo } from "../installed.ts";
import type { BedAws } from "../parts.ts";
import type { RunningSluice } from "../sluice.ts";
import { clientConfig, deployAssembly, type StackOutputs, synthesize } from "./deploy.ts";
import { startFunctionFront } from "./front.ts";

/** Sluice deployed: the stack of `infra/` in LocalStack, at work for control planes of its own. */
export type DeployedSluice = {
  /** Outputs of the stack, by the names that `infra/stack.ts` gives them. */
  outputs: StackOutputs;
  /** The clusters that the deployment works for, each with the deployment's front. */
  clusters: RunningSluice[];
  stop(): Promise<void>;
};

/** What LocalStack can carry beside a test: each of these may be a Node process. */
const maximumConcurrency = { source: 3, apply: 6, notify: 2, timers: 2 };

/**
 * Deploys Sluice as a user does: synthesis, assets, CloudFormation; then `sluice install` into each of `clusters` control planes,
 * whose kubeconfigs are secrets of the deployment. `name` is the stack's, and keeps deployments of one LocalStack apart.
 */
export async function deploySluice(
  aws: BedAws,
  options: {
    name: string;
    directory: string;
    clusters: number;
    /** Settings of `infra/config.ts` besides those that a deployment here needs. */
    settings?: Record<string, unknown>;
    log?: (line: string) => void;
  },
): Promise<DeployedSluice> {
  const { name, directory, log = () => undefined } = options;
  const stops: (() => Promise<void>)[] = [];
  const stop = async () => {
    for (const each of stops.toReversed()) await each();
  };
  try {
    const controlPlanes: { id: string; controlPlane: ControlPlane }[] = [];
    for (let number = 1; number <= options.clusters; number++) {
      const id = `cluster-${number}`;
      const controlPlane = await startControlPlane({ directory: join(directory, id), log });
      stops.push(controlPlane.stop);
      controlPlanes.push({ id, controlPlane });
    }
    const secrets = new SecretsManagerClient(clientConfig(aws));
    for (const { id, controlPlane } of controlPlanes) {
      await secrets.send(new CreateSecretCommand({ Name: `${name}-${id}`, SecretString: controlPlane.kubeconfig }));
    }
    const assembly = join(directory, "cdk.out");
    await synthesize(aws, assembly, {
      ...options.settings,
      name,
      maximumConcurrency,
      clusters: controlPlanes.map(({ id }) => ({ id, type: "kubeconfig", secret: `${name}-${id}` })),
    });
    const { [name]: outputs } = await deployAssembly(aws, assembly);
    if (outputs === undefined) throw new Error(`the assembly has no stack ${name}`);
    const front = await startFunctionFront(aws, outputs.Endpoint ?? "");
    stops.push(front.stop);
    const { SecretString: seed = "" } = await secrets.send(
      new GetSecretValueCommand({ SecretId: outputs.AdmissionSeedSecret }),
    );
    const { url: endpoint, certificateAuthority } = front;
    for (const { id, controlPlane } of controlPlanes) {
      await installInto(connectTo(controlPlane), {
        clusterId: id,
        admission: { endpoint, certificateAuthority, seed },
      });
    }
    const clusters = controlPlanes.map(({ controlPlane: { stop: _stop, ...cluster } }) => ({
      cluster,
      endpoint,
      certificateAuthority,
    }));
    return { outputs, clusters, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}
