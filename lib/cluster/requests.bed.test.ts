import { describe, expect, it } from "vitest";
import {
  beginSet,
  configMap,
  deployment,
  linesOf,
  referenceOf,
  secret,
  service,
} from "../../test/cluster/applied-set.ts";
import type { KubernetesObject } from "../api/object.ts";
import { getObject } from "./objects.ts";

/** 25 objects of each of four kinds. */
function hundred(namespace: string): KubernetesObject[] {
  return Array.from({ length: 25 }, (_, index) => [
    configMap(namespace, `a${index}`),
    secret(namespace, `a${index}`),
    service(namespace, `a${index}`),
    deployment(namespace, `a${index}`),
  ]).flat();
}

describe("requests", () => {
  it("KS-160, SN-10: a hundred new objects cost two requests each, and the unchanged set one LIST a kind", async () => {
    const set = await beginSet();
    const objects = hundred(set.namespace);
    const first = await set.requestsOf(() => set.apply(objects));
    expect(first.sent).toHaveLength(200);
    expect(first.result.entries.map(({ action }) => action)).toEqual(Array(100).fill("created"));

    // The Deployments' controller writes its revision meanwhile, which is no change.
    const revision = () => getObject(set.admin, referenceOf(deployment(set.namespace, "a24")));
    await expect
      .poll(async () => (await revision()).metadata.annotations)
      .toHaveProperty(["deployment.kubernetes.io/revision"]);
    const check = await set.requestsOf(() => set.isUnchanged(first.result));
    expect(check.result).toBe(true);
    expect(check.sent).toHaveLength(4);
    expect(check.sent.every((request) => request.startsWith("GET ") && request.includes("labelSelector="))).toBe(true);

    const again = await set.requestsOf(() => set.apply(objects, { record: first.result.record }));
    expect(again.sent).toHaveLength(4);
    expect(again.result.entries.map(({ action }) => action)).toEqual(Array(100).fill("unchanged"));
    expect(again.result.record).toEqual(first.result.record);
  });

  it("KS-160: one changed object among a hundred costs one to three requests more than none", async () => {
    const set = await beginSet();
    const objects = hundred(set.namespace);
    const { record } = await set.apply(objects);
    const changed = objects.map((object) =>
      object.kind === "ConfigMap" && object.metadata.name === "a7"
        ? configMap(set.namespace, "a7", { key: "new" })
        : object,
    );
    const { result, sent } = await set.requestsOf(() => set.apply(changed, { record }));
    expect(sent).toHaveLength(4 + 1);
    expect(linesOf(result).filter((line) => !line.endsWith("unchanged"))).toEqual([
      `ConfigMap/${set.namespace}/a7 configured`,
    ]);
    expect(await set.isUnchanged(result)).toBe(true);
    // A look that meets the Deployments' controller at its first writes is made once more.
    const version = async () => (await getObject(set.admin, referenceOf(deployment(set.namespace, "a7")))).metadata;
    let seen = await version();
    await expect
      .poll(
        async () => {
          const before = seen;
          seen = await version();
          const hasRevision = "deployment.kubernetes.io/revision" in (seen.annotations ?? {});
          return hasRevision && seen.resourceVersion === before.resourceVersion;
        },
        { interval: 300 },
      )
      .toBe(true);
    const image = changed.map((object) =>
      object.kind === "Deployment" && object.metadata.name === "a7" ? deployment(set.namespace, "a7", "app:2") : object,
    );
    const next = await set.requestsOf(() => set.apply(image, { record: result.record }));
    expect(next.sent).toHaveLength(4 + 3);
    expect(linesOf(next.result).filter((line) => !line.endsWith("unchanged"))).toEqual([
      `Deployment/${set.namespace}/a7 configured`,
    ]);
  });

  it("KS-160: where changes by others are told, one changed object among a hundred costs two requests at most", async () => {
    const set = await beginSet();
    const objects = hundred(set.namespace);
    const first = await set.apply(objects);
    const image = objects.map((object) =>
      object.kind === "Deployment" && object.metadata.name === "a7" ? deployment(set.namespace, "a7", "app:2") : object,
    );
    const next = await set.requestsOf(() => set.apply(image, { record: first.record, look: "changed" }));
    expect(next.sent).toHaveLength(2);
    expect(linesOf(next.result).filter((line) => !line.endsWith("unchanged"))).toEqual([
      `Deployment/${set.namespace}/a7 configured`,
    ]);
  });

  it("SN-20: what another controller has applied meanwhile is not written again", async () => {
    const set = await beginSet();
    const app = (version: string) => [
      configMap(set.namespace, "a", { version }),
      deployment(set.namespace, "a", `app:${version}`),
    ];
    const { record } = await set.apply(app("1"));
    await set.apply(app("2"));
    const before = await getObject(set.admin, referenceOf(deployment(set.namespace, "a")));
    const { entries } = await set.apply(app("2"), { record });
    expect(entries.map(({ action }) => action)).toEqual(["unchanged", "unchanged"]);
    const after = await getObject(set.admin, referenceOf(deployment(set.namespace, "a")));
    expect(after.metadata.generation).toBe(before.metadata.generation);
  });

  it("KS-141: what is wanted otherwise but comes to the same is not written", async () => {
    const set = await beginSet();
    const written = [service(set.namespace, "a"), deployment(set.namespace, "a")];
    const { record } = await set.apply(written);
    // What the API server would put there anyway.
    const spelt = [
      service(set.namespace, "a", { sessionAffinity: "None" }),
      { ...deployment(set.namespace, "a"), spec: { ...Object(written[1]?.spec), revisionHistoryLimit: 10 } },
    ];
    const before = await getObject(set.admin, referenceOf(deployment(set.namespace, "a")));
    const result = await set.apply(spelt, { record });
    expect(result.entries.map(({ action }) => action)).toEqual(["unchanged", "unchanged"]);
    const after = await getObject(set.admin, referenceOf(deployment(set.namespace, "a")));
    expect(after.metadata.generation).toBe(before.metadata.generation);
    const own = ({ metadata }: typeof after) =>
      metadata.managedFields?.filter(({ operation }) => operation === "Apply");
    expect(own(after)).toEqual(own(before));
    const again = await set.requestsOf(() => set.apply(spelt, { record: result.record }));
    expect(again.sent).toHaveLength(2);
  });

  it("KS-160: four objects of an application, two of them changed, cost eight requests at most", async () => {
    const set = await beginSet();
    const account = { apiVersion: "v1", kind: "ServiceAccount", metadata: { name: "a", namespace: set.namespace } };
    const app = (version: string) => [
      account,
      configMap(set.namespace, "a", { version }),
      service(set.namespace, "a"),
      deployment(set.namespace, "a", `app:${version}`),
    ];
    const { record } = await set.apply(app("1"));
    const { result, sent } = await set.requestsOf(() => set.apply(app("2"), { record }));
    expect(result.entries.map(({ action }) => action)).toEqual(["unchanged", "configured", "unchanged", "configured"]);
    expect(sent.length).toBeLessThanOrEqual(8);
  });

  it("KS-160: without a record an unchanged object costs what it costs Flux, and is not written", async () => {
    const set = await beginSet();
    const objects = [configMap(set.namespace, "a"), service(set.namespace, "a"), deployment(set.namespace, "a")];
    await set.apply(objects);
    // While the Deployment's controller writes its status, a dry run may meet it and is sent once more.
    const { admin, namespace } = set;
    const reference = { apiVersion: "apps/v1", kind: "Deployment", namespace, name: "a" };
    const status = async () => (await getObject<{ status?: { conditions?: unknown[] } }>(admin, reference)).status;
    await expect.poll(async () => (await status())?.conditions?.length ?? 0, { timeout: 10_000 }).toBeGreaterThan(1);
    const versions = () =>
      Promise.all(objects.map(async (object) => (await getObject(set.admin, referenceOf(object))).metadata.generation));
    const before = await versions();
    const { result, sent } = await set.requestsOf(() => set.apply(objects));
    expect(sent).toHaveLength(6);
    expect(result.entries.map(({ action }) => action)).toEqual(["unchanged", "unchanged", "unchanged"]);
    expect(await versions()).toEqual(before);
  });

  it("SN-10: a record of yesterday is not believed", async () => {
    const set = await beginSet();
    const objects = [configMap(set.namespace, "a"), configMap(set.namespace, "b")];
    const { record } = await set.apply(objects);
    const old = { ...record, lookedAt: record.lookedAt - 25 * 60 * 60_000 };
    expect(await set.isUnchanged({ record: old })).toBe(false);
    const { result, sent } = await set.requestsOf(() => set.apply(objects, { record: old }));
    expect(sent.filter((request) => request.includes("dryRun=All"))).toHaveLength(2);
    expect(result.record.lookedAt).toBeGreaterThanOrEqual(record.lookedAt);
    expect(result.entries.map(({ action }) => action)).toEqual(["unchanged", "unchanged"]);
  });
});
