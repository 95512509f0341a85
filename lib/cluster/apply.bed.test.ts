import { describe, expect, it } from "vitest";
import { annotated, beginSet, configMap, linesOf, referenceOf, service } from "../../test/cluster/applied-set.ts";
import { ApplyFailed, applyObjects } from "./apply.ts";
import { formatInventory } from "./inventory.ts";
import { applyObject, deleteObject, findObject, getObject, patchObject } from "./objects.ts";

describe("drift", () => {
  it("KS-140, KS-142: an edit of a value without a generation is seen in the metadata, and reverted", async () => {
    const set = await beginSet();
    const objects = [configMap(set.namespace, "a"), configMap(set.namespace, "b")];
    const { record } = await set.apply(objects);
    const edited = referenceOf(configMap(set.namespace, "a"));
    await patchObject(set.admin, edited, { merge: { data: { key: "edited" } } }, { fieldManager: "kubectl-edit" });
    expect(await set.isUnchanged({ record })).toBe(false);
    const result = await set.apply(objects, { record });
    expect(linesOf(result)).toEqual([
      `ConfigMap/${set.namespace}/a configured`,
      `ConfigMap/${set.namespace}/b unchanged`,
    ]);
    expect((await getObject(set.admin, edited)).data).toEqual({ key: "value" });
    expect(await set.isUnchanged(result)).toBe(true);
  });

  it("KS-142: a write by the same field manager is seen too", async () => {
    const set = await beginSet();
    const objects = [configMap(set.namespace, "a"), configMap(set.namespace, "b")];
    const { record } = await set.apply(objects);
    // Entries of managedFields have times in seconds.
    await new Promise((resolve) => setTimeout(resolve, 1100));
    const { ownerLabels: labels } = set.options();
    const other = {
      ...configMap(set.namespace, "a", { key: "other" }),
      metadata: { name: "a", namespace: set.namespace, labels },
    };
    await applyObject(set.admin, other, { fieldManager: "kustomize-controller", force: true });
    expect(await set.isUnchanged({ record })).toBe(false);
  });

  it("KS-141: an object that was deleted is created again", async () => {
    const set = await beginSet();
    const objects = [configMap(set.namespace, "a"), configMap(set.namespace, "b")];
    const { record } = await set.apply(objects);
    await deleteObject(set.admin, referenceOf(configMap(set.namespace, "b")));
    expect(await set.isUnchanged({ record })).toBe(false);
    const result = await set.apply(objects, { record });
    expect(linesOf(result)).toEqual([`ConfigMap/${set.namespace}/a unchanged`, `ConfigMap/${set.namespace}/b created`]);
  });

  it("KS-142: what another manager adds stays, and what leaves the wanted object goes", async () => {
    const set = await beginSet();
    const first = await set.apply([configMap(set.namespace, "a", { kept: "1", dropped: "2" })]);
    const reference = referenceOf(configMap(set.namespace, "a"));
    const merge = { metadata: { annotations: { note: "x" } } };
    await patchObject(set.admin, reference, { merge }, { fieldManager: "other" });
    const result = await set.apply([configMap(set.namespace, "a", { kept: "1" })], { record: first.record });
    expect(linesOf(result)).toEqual([`ConfigMap/${set.namespace}/a configured`]);
    const live = await getObject(set.admin, reference);
    expect(live.data).toEqual({ kept: "1" });
    expect(live.metadata.annotations).toEqual({ note: "x" });
  });

  it("KS-141: a harmless change of metadata costs one look, is not written, and is not looked at again", async () => {
    const set = await beginSet();
    const objects = [configMap(set.namespace, "a"), configMap(set.namespace, "b")];
    const { record } = await set.apply(objects);
    const merge = { metadata: { annotations: { note: "x" } } };
    await patchObject(set.admin, referenceOf(configMap(set.namespace, "a")), { merge }, { fieldManager: "other" });
    const { result, sent } = await set.requestsOf(() => set.apply(objects, { record }));
    expect(sent).toHaveLength(1 + 2);
    expect(result.entries.map(({ action }) => action)).toEqual(["unchanged", "unchanged"]);
    expect(await set.isUnchanged(result)).toBe(true);
  });
});

describe("refusals", () => {
  it("KS-149, SN-13: an invalid object stops its stage before anything of it is written, in Flux's words", async () => {
    const set = await beginSet();
    const bad = service(set.namespace, "bad", { type: "Bogus" });
    const failed = set.apply([configMap(set.namespace, "a"), bad]);
    await expect(failed).rejects.toThrow(
      new RegExp(
        `^Service/${set.namespace}/bad dry-run failed \\(Invalid\\): Service "bad" is invalid: spec.type: Unsupported value: "Bogus"`,
      ),
    );
    await expect(failed).rejects.toMatchObject({ name: "ApplyFailed", entries: [] });
    expect(await findObject(set.admin, referenceOf(configMap(set.namespace, "a")))).toBeUndefined();
  });

  it("SN-13, KS-137: what an earlier stage applied is told with the failure", async () => {
    const set = await beginSet();
    const name = `${set.namespace}-more`;
    const namespace = { apiVersion: "v1", kind: "Namespace", metadata: { name } };
    const error = await set.apply([namespace, service(name, "bad", { type: "Bogus" })]).then(
      () => undefined,
      (reason: unknown) => reason,
    );
    expect(error).toBeInstanceOf(ApplyFailed);
    if (!(error instanceof ApplyFailed)) return;
    expect(linesOf({ entries: [...error.entries] })).toEqual([`Namespace/${name} created`]);
    expect(formatInventory(error.entries.map(({ reference }) => reference))).toEqual([
      { id: `_${name}__Namespace`, v: "v1" },
    ]);
    expect(Object.keys(error.record.objects)).toEqual([`_${name}__Namespace`]);
  });

  it("KS-136: a missing namespace, in the object and in the cluster", async () => {
    const set = await beginSet();
    const nowhere = { ...configMap("", "a"), metadata: { name: "a" } };
    await expect(set.apply([nowhere])).rejects.toThrow(
      "ConfigMap/a namespace not specified: the server could not find the requested resource",
    );
    await expect(set.apply([configMap("no-such", "a")])).rejects.toThrow(
      'ConfigMap/no-such/a not found: namespaces "no-such" not found',
    );
  });

  it("KS-149: a kind that no definition makes", async () => {
    const set = await beginSet();
    const unknown = { apiVersion: "example.org/v1", kind: "Widget", metadata: { name: "w", namespace: set.namespace } };
    await expect(set.apply([unknown])).rejects.toThrow(
      `Widget/${set.namespace}/w dry-run failed: no matches for kind "Widget" in version "example.org/v1"`,
    );
  });

  it("an aborted apply rejects with the reason, which is no refusal", async () => {
    const set = await beginSet();
    const ending = new Error("the function ends");
    const objects = [configMap(set.namespace, "a")];
    await expect(set.apply(objects, { signal: AbortSignal.abort(ending) })).rejects.toBe(ending);
    expect(await findObject(set.admin, referenceOf(configMap(set.namespace, "a")))).toBeUndefined();
  });

  it("KS-210: a tenant without rights is refused in the API server's words", async () => {
    const set = await beginSet();
    const user = `system:serviceaccount:${set.namespace}:tenant`;
    await expect(applyObjects(set.client.as(user), [configMap(set.namespace, "a")], set.options())).rejects.toThrow(
      `ConfigMap/${set.namespace}/a dry-run failed (Forbidden): configmaps "a" is forbidden: User "${user}" cannot patch resource "configmaps" in API group "" in the namespace "${set.namespace}"`,
    );
  });
});

describe("marks", () => {
  it("KS-145, KS-146, KS-147: what asks to be left alone is skipped, and stays among the entries", async () => {
    const set = await beginSet();
    const group = set.options().group;
    const ignored = annotated(configMap(set.namespace, "ignored"), { [`${group}/ssa`]: "ignore" });
    const disabled = annotated(configMap(set.namespace, "disabled"), { [`${group}/reconcile`]: "Disabled" });
    const once = annotated(configMap(set.namespace, "once"), { [`${group}/ssa`]: "IfNotPresent" });
    const first = await set.apply([ignored, disabled, once]);
    expect(linesOf(first)).toEqual([
      `ConfigMap/${set.namespace}/disabled skipped`,
      `ConfigMap/${set.namespace}/ignored skipped`,
      `ConfigMap/${set.namespace}/once created`,
    ]);
    const changed = annotated(configMap(set.namespace, "once", { key: "new" }), { [`${group}/ssa`]: "IfNotPresent" });
    const second = await set.apply([ignored, disabled, changed], { record: first.record });
    expect(linesOf(second)[2]).toBe(`ConfigMap/${set.namespace}/once skipped`);
    expect(await set.isUnchanged(second)).toBe(true);
    const third = await set.apply([ignored, disabled, changed], { record: second.record });
    expect(linesOf(third)).toEqual(linesOf(second));
    await deleteObject(set.admin, referenceOf(once));
    expect(await set.isUnchanged(second)).toBe(false);
    expect(linesOf(await set.apply([changed], { record: second.record }))).toEqual([
      `ConfigMap/${set.namespace}/once created`,
    ]);
  });

  it("KS-146: an annotation on the live object freezes it until it goes", async () => {
    const set = await beginSet();
    const group = set.options().group;
    const object = configMap(set.namespace, "a");
    const first = await set.apply([object]);
    const annotate = (value: string | null) =>
      patchObject(
        set.admin,
        referenceOf(object),
        { merge: { metadata: { annotations: { [`${group}/reconcile`]: value } }, data: { key: "frozen" } } },
        { fieldManager: "kubectl-edit" },
      );
    await annotate("disabled");
    const frozen = await set.apply([configMap(set.namespace, "a", { key: "new" })], { record: first.record });
    expect(linesOf(frozen)).toEqual([`ConfigMap/${set.namespace}/a skipped`]);
    expect((await getObject(set.admin, referenceOf(object))).data).toEqual({ key: "frozen" });
    expect(await set.isUnchanged(frozen)).toBe(true);
    const still = await set.apply([configMap(set.namespace, "a", { key: "new" })], { record: frozen.record });
    expect(linesOf(still)).toEqual(linesOf(frozen));
    await annotate(null);
    expect(await set.isUnchanged(frozen)).toBe(false);
    const thawed = await set.apply([object], { record: frozen.record });
    expect(linesOf(thawed)).toEqual([`ConfigMap/${set.namespace}/a configured`]);
    expect((await getObject(set.admin, referenceOf(object))).data).toEqual({ key: "value" });
  });
});
