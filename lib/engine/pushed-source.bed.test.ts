import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { uniqueNamespace } from "../../test/bed/bed.ts";
import { installedCluster } from "../../test/bed/installed.ts";
import { openTestPlatform, type TestPlatform } from "../../test/bed/local-platform.ts";
import type { ClusterClient } from "../cluster/client.ts";
import { createObject } from "../cluster/objects.ts";
import { parsePushEvent } from "../platform/aws/push-event.ts";
import { enqueuePushed, type PushedSource } from "./pushed-source.ts";
import { parseWorkItem, type WorkItem } from "./work-item.ts";

let client: ClusterClient;
let test: TestPlatform;
let namespace: string;
const looks: { item: WorkItem; at: number }[] = [];

beforeAll(async () => {
  const installed = await installedCluster();
  client = installed.client;
  namespace = await uniqueNamespace("pushes");
  test = await openTestPlatform("home", installed.cluster);
  const note = async (body: string) => void looks.push({ item: parseWorkItem(body), at: Date.now() });
  test.platform.consume("source", note, { concurrency: 1 });
  const ecr = "dkr.ecr.eu-west-1.amazonaws.com";
  await image("wanted", `111111111111.${ecr}/fleet/manifests`);
  await image("wanted-fips", "111111111111.dkr-ecr-fips.eu-west-1.on.aws/fleet/manifests");
  await image("other-account", `222222222222.${ecr}/fleet/manifests`);
  await image("other-region", "111111111111.dkr.ecr.us-east-1.amazonaws.com/fleet/manifests");
  await image("other-repository", `111111111111.${ecr}/fleet/manifests2`);
  await image("elsewhere", "ghcr.io/fleet/manifests");
  await bucket("whole", "example-manifests");
  await bucket("prefixed", "example-manifests", "clusters/prod/");
  await bucket("other-prefix", "example-manifests", "clusters/test/");
  await bucket("other-bucket", "example");
});

afterAll(() => test?.close());

const image = (name: string, url: string) => create("OCIRepository", name, { url: `oci://${url}`, interval: "1h" });
const bucket = (name: string, bucketName: string, prefix = "") =>
  create("Bucket", name, { bucketName, prefix, endpoint: "s3.amazonaws.com", interval: "1h" });

function create(kind: string, name: string, spec: Record<string, unknown>) {
  const apiVersion = "source.toolkit.fluxcd.io/v1";
  return createObject(client, { apiVersion, kind, metadata: { namespace, name }, spec } as never);
}

/** An event as AWS sends it. */
function sample(name: string): PushedSource {
  const text = readFileSync(join(import.meta.dirname, "../../events", `${name}.json`), "utf8");
  const pushed = parsePushEvent(JSON.parse(text));
  if (pushed === undefined) throw new Error(`${name} is no push`);
  return pushed;
}

/** Tells of a push while one of two clusters does not answer. */
function tell(pushed: PushedSource): Promise<void> {
  const clusters = { ...test.platform.clusters, list: async () => ["dead", "home"] };
  const connect = async (id: string) => (id === "dead" ? Promise.reject(new Error("it is down")) : client);
  return enqueuePushed({ ...test.platform, clusters }, connect, pushed, AbortSignal.timeout(20_000));
}

/** The objects of this test that are looked at, by name. */
const lookedAt = () =>
  looks.filter(({ item }) => item.namespace === namespace).map(({ item }) => `${item.kind}/${item.name}`);

describe("what a push starts", () => {
  it("SB-008: a push to ECR enqueues at once a look at each OCIRepository of that repository, in each cluster that answers", async () => {
    looks.length = 0;
    const before = Date.now();
    await tell(sample("ecr-push"));
    await expect.poll(() => lookedAt().sort()).toEqual(["OCIRepository/wanted", "OCIRepository/wanted-fips"]);
    const { cause, cluster } = looks.find(({ item }) => item.name === "wanted")?.item ?? {};
    expect([cluster, cause]).toEqual(["home", { type: "webhook", receiver: "aws.ecr", token: expect.any(String) }]);
    const asked = cause?.type === "webhook" ? Date.parse(cause.token) : 0;
    expect(asked).toBeGreaterThanOrEqual(before);
    expect(asked).toBeLessThanOrEqual(Date.now());
  });

  it("SB-009: objects that come within a moment begin one sync of each Bucket that has them, and it begins after the last", async () => {
    looks.length = 0;
    const told = Array.from({ length: 5 }, () => tell(sample("s3-object")));
    await Promise.all(told);
    await expect.poll(() => new Set(lookedAt()).size, { timeout: 10_000 }).toBe(2);
    const moments = new Map<string, Set<string>>();
    for (const { item, at } of looks.filter(({ item }) => item.namespace === namespace)) {
      const token = item.cause.type === "webhook" ? item.cause.token : "";
      expect(Date.parse(token)).toBeLessThanOrEqual(at);
      moments.set(item.name, (moments.get(item.name) ?? new Set()).add(token));
    }
    expect([...moments.keys()].sort()).toEqual(["prefixed", "whole"]);
    // Five that were told across the end of a span make two looks, and never more.
    expect(lookedAt().length).toBe([...moments.values()].reduce((sum, { size }) => sum + size, 0));
    expect(Math.max(...[...moments.values()].map(({ size }) => size))).toBeLessThanOrEqual(2);
  });

  it("refuses what is no push of either", () => {
    for (const event of [undefined, {}, { source: "aws.s3", detail: {} }, { source: "aws.ecr", account: "1" }, "x"])
      expect(parsePushEvent(event)).toBeUndefined();
  });
});
