import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createLocalLogger } from "../../lib/platform/local/log.ts";
import { createLocalPlatform, type LocalPlatform } from "../../lib/platform/local/platform.ts";
import type { BedCluster } from "./parts.ts";

/** The local platform in a directory of its own, with everything it logged. `close` removes all of it. */
export type TestPlatform = { platform: LocalPlatform; log: string[]; admissionSeed: string; close(): Promise<void> };

/** Opens a local platform that works for one cluster. Nothing consumes its queues until the test does. */
export async function openTestPlatform(
  clusterId: string,
  cluster: Pick<BedCluster, "kubeconfig">,
  endpoint = "https://sluice.test",
): Promise<TestPlatform> {
  const directory = await mkdtemp(join(tmpdir(), "sluice-platform-"));
  const admissionSeed = "a seed that only this test knows";
  await mkdir(join(directory, "secrets"), { recursive: true });
  await writeFile(join(directory, "secrets", "admission-seed"), admissionSeed);
  const log: string[] = [];
  const platform = createLocalPlatform({
    directory,
    endpoint,
    cluster: { id: clusterId, kubeconfig: cluster.kubeconfig },
    log: createLocalLogger({ format: "json", level: "debug", write: (line) => log.push(line) }),
  });
  return {
    platform,
    log,
    admissionSeed,
    close: async () => {
      await platform.close();
      await rm(directory, { recursive: true, force: true, maxRetries: 3 });
    },
  };
}
