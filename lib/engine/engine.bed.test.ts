import { afterAll, beforeAll, expect, it } from "vitest";
import { uniqueNamespace } from "../../test/bed/bed.ts";
import { installedCluster } from "../../test/bed/installed.ts";
import { openTestPlatform, type TestPlatform } from "../../test/bed/local-platform.ts";
import type { Condition } from "../api/condition.ts";
import type { ClusterClient } from "../cluster/client.ts";
import { createObject, patchObject } from "../cluster/objects.ts";
import { createEngine } from "./engine.ts";
import { runSchedule } from "./schedule.ts";
import { parseWorkItem, type WorkItem } from "./work-item.ts";

const bucket = { apiVersion: "source.toolkit.fluxcd.io/v1", kind: "Bucket", name: "slow" };

let client: ClusterClient;
let test: TestPlatform;
let namespace: string;
const items: WorkItem[] = [];

beforeAll(async () => {
  const installed = await installedCluster();
  client = installed.client;
  namespace = await uniqueNamespace("engine");
  test = await openTestPlatform("home", installed.cluster);
  test.platform.consume("source", async (body) => void items.push(parseWorkItem(body)), { concurrency: 1 });
  const spec = { bucketName: "any", endpoint: "s3.example.com", interval: "1h" };
  const { apiVersion, kind, name } = bucket;
  await createObject(client, { apiVersion, kind, metadata: { name, namespace }, spec } as never);
});

afterAll(() => test?.close());

/** Says in the object's status how its last pass stands. */
async function stand(ready: Condition["status"], reconciling: string): Promise<void> {
  const lastTransitionTime = new Date().toISOString();
  const shared = { message: "", lastTransitionTime, observedGeneration: 1 };
  const conditions = [
    { type: "Ready", status: ready, reason: reconciling, ...shared },
    { type: "Reconciling", status: "True", reason: reconciling, ...shared },
  ];
  const options = { fieldManager: "test", subresource: "status" } as const;
  const merge = { status: { observedGeneration: 1, conditions } };
  await patchObject(client, { ...bucket, namespace }, { merge }, options);
}

it("KS-011, SRC-018: a pass that takes longer than a minute begets no other", async () => {
  let passes = 0;
  const engine = createEngine({
    platform: test.platform,
    connect: async () => client,
    reconcilers: {
      Bucket: {
        reconcile: async () => {
          passes++;
          return { status: {}, events: [] };
        },
        finalize: async () => ({ done: true, events: [] }),
      },
    },
  });
  await stand("Unknown", "Progressing");
  await runSchedule(test.platform, async () => client, new Date());
  const own = () => items.filter((item) => item.namespace === namespace);
  await expect.poll(own).toHaveLength(1);
  const [item] = own();
  if (item === undefined) return;
  expect(item.cause).toMatchObject({ type: "schedule", slot: expect.stringMatching(/\/unfinished\/\d+$/) });
  const look = (attempt: number) => engine.process(item, { attempt, signal: AbortSignal.timeout(20_000) });

  await look(1);
  expect(passes).toBe(1);
  await stand("False", "ProgressingWithRetry");
  await look(1);
  expect(passes).toBe(1);
  // The same message once more may be of a look that died before it had told everybody.
  await look(2);
  expect(passes).toBe(2);
});
