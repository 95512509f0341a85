import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { deploySluice } from "../test/bed/localstack/deployment.ts";
import { startLocalStack } from "../test/bed/localstack/localstack.ts";
import type { RunningSluice } from "../test/bed/sluice.ts";

/** Deploys the stack of `infra/` to a LocalStack of its own, for one control plane, and measures there. */
export async function onAws<Result>(measure: (sluice: RunningSluice) => Promise<Result>): Promise<Result> {
  const directory = await mkdtemp(join(tmpdir(), "sluice-bench-"));
  const log = (line: string) => console.error(line);
  const aws = await startLocalStack({ directory: join(directory, "localstack"), log });
  try {
    Object.assign(process.env, aws.env);
    const deployed = await deploySluice(aws, { name: "bench", directory, clusters: 1, log });
    try {
      const [cluster] = deployed.clusters;
      if (cluster === undefined) throw new Error("the deployment has no cluster");
      return await measure(cluster);
    } finally {
      await deployed.stop();
    }
  } finally {
    await aws.stop();
    await rm(directory, { recursive: true, force: true, maxRetries: 3 });
  }
}
