import { describe, expect, it } from "vitest";
import { annotated, beginSet, configMap, group, linesOf, referenceOf } from "../../test/cluster/applied-set.ts";
import { createObject, getObject } from "./objects.ts";
import { pruneObjects } from "./prune.ts";

describe("two owners of one object", () => {
  it("KS-154: the last one to write wins, and both tell of it in turn", async () => {
    const set = await beginSet();
    const object = configMap(set.namespace, "a");
    const labels = (name: string) => ({ [`${group}/name`]: name, [`${group}/namespace`]: set.namespace });
    const ownerOf = async () => (await getObject(set.admin, referenceOf(object))).metadata.labels;
    const one = { ownerLabels: labels("one") };
    const other = { ownerLabels: labels("other") };

    const first = await set.apply([object], one);
    expect(linesOf(first)).toEqual([`ConfigMap/${set.namespace}/a created`]);
    const second = await set.apply([object], other);
    expect(linesOf(second)).toEqual([`ConfigMap/${set.namespace}/a configured`]);
    expect(await ownerOf()).toEqual(labels("other"));
    // Each sees what the other did, with its own record too, and takes the object back: no lock.
    const third = await set.apply([object], { ...one, record: first.record });
    expect(linesOf(third)).toEqual([`ConfigMap/${set.namespace}/a configured`]);
    expect(await ownerOf()).toEqual(labels("one"));
    const fourth = await set.apply([object], { ...other, record: second.record });
    expect(linesOf(fourth)).toEqual([`ConfigMap/${set.namespace}/a configured`]);
    expect(await ownerOf()).toEqual(labels("other"));

    // Who has lost it does not take it away with what is his.
    const pruned = await pruneObjects(set.client, [referenceOf(object)], { group, ...one });
    expect(pruned).toMatchObject([{ action: "skipped" }]);
    expect(await ownerOf()).toEqual(labels("other"));
  });
});

describe("two applies of one set at a time", () => {
  it("SN-15: end in what is wanted, and neither fails", async () => {
    const set = await beginSet();
    const objects = (key: string) => ["a", "b", "c", "d", "e"].map((name) => configMap(set.namespace, name, { key }));
    const first = await Promise.all([set.apply(objects("1")), set.apply(objects("1")), set.apply(objects("1"))]);
    const [{ record }] = first;
    // A later delivery of the same work, while the first is still at it, and one of older work.
    await Promise.all([
      set.apply(objects("2"), { record }),
      set.apply(objects("2"), { record }),
      set.apply(objects("2")),
    ]);
    for (const object of objects("2")) {
      expect((await getObject(set.admin, referenceOf(object))).data).toEqual({ key: "2" });
    }
    const settled = await set.apply(objects("2"));
    expect(settled.entries.map(({ action }) => action)).toEqual(Array(5).fill("unchanged"));
  });
});

describe("a stage that fails", () => {
  it("KS-156: may have taken fields over already, and has applied nothing", async () => {
    const set = await beginSet();
    const last = "kubectl.kubernetes.io/last-applied-configuration";
    await set.admin.request({
      method: "POST",
      path: `/api/v1/namespaces/${set.namespace}/configmaps`,
      query: { fieldManager: "kubectl-client-side-apply" },
      body: annotated(configMap(set.namespace, "a", { key: "before" }), { [last]: "{}" }),
    });
    const fixed = (value: string) => ({ ...configMap(set.namespace, "b", { key: value }), immutable: true });
    await createObject(set.admin, fixed("before"));

    await expect(set.apply([configMap(set.namespace, "a"), fixed("after")])).rejects.toThrow(
      `ConfigMap/${set.namespace}/b dry-run failed (Invalid): ConfigMap "b" is invalid: data: Forbidden: field is immutable when \`immutable\` is set`,
    );
    const { data, metadata } = await getObject(set.admin, referenceOf(configMap(set.namespace, "a")));
    expect(data).toEqual({ key: "before" });
    expect(metadata.labels).toBeUndefined();
    expect(metadata.annotations).toBeUndefined();
    expect(metadata.managedFields?.map(({ manager, operation }) => `${manager} ${operation}`)).toEqual([
      "kustomize-controller Apply",
    ]);
  });
});
