import { describe, expect, it } from "vitest";
import {
  annotated,
  beginSet,
  configMap,
  deployment,
  eventually,
  linesOf,
  referenceOf,
  secret,
  service,
} from "../../test/cluster/applied-set.ts";
import type { KubernetesObject, ManagedFieldsEntry } from "../api/object.ts";
import { applyObject, createObject, findObject, getObject, patchObject } from "./objects.ts";

const managersOf = (object: KubernetesObject) =>
  (object.metadata.managedFields ?? [])
    .map(({ manager, operation }: ManagedFieldsEntry) => `${manager} ${operation}`)
    .sort();

const asRecord = (value: unknown) => (typeof value === "object" && value !== null ? value : {});

describe("ownership", () => {
  it("KS-143: what kubectl applied before is taken over, with its annotation, and what is not wanted goes", async () => {
    const set = await beginSet();
    const object = configMap(set.namespace, "a");
    const last = "kubectl.kubernetes.io/last-applied-configuration";
    const before = annotated(configMap(set.namespace, "a", { key: "value", extra: "1" }), { [last]: "{}" });
    await set.admin.request({
      method: "POST",
      path: `/api/v1/namespaces/${set.namespace}/configmaps`,
      query: { fieldManager: "kubectl-client-side-apply" },
      body: before,
    });
    const { result, sent } = await set.requestsOf(() => set.apply([object]));
    expect(linesOf(result)).toEqual([`ConfigMap/${set.namespace}/a configured`]);
    // Dry run, read, clean-up, apply.
    expect(sent).toHaveLength(4);
    const live = await getObject(set.admin, referenceOf(object));
    expect(live.data).toEqual({ key: "value" });
    expect(live.metadata.annotations).toBeUndefined();
    expect(managersOf(live)).toEqual(["kustomize-controller Apply"]);
    expect(await set.isUnchanged(result)).toBe(true);
  });

  it("KS-143: kubectl apply --server-side onto a managed object is undone", async () => {
    const set = await beginSet();
    const object = configMap(set.namespace, "a");
    const first = await set.apply([object]);
    await applyObject(set.admin, configMap(set.namespace, "a", { key: "mine", more: "x" }), {
      fieldManager: "kubectl",
      force: true,
    });
    const result = await set.apply([object], { record: first.record });
    expect(linesOf(result)).toEqual([`ConfigMap/${set.namespace}/a configured`]);
    const live = await getObject(set.admin, referenceOf(object));
    expect(live.data).toEqual({ key: "value" });
    expect(managersOf(live)).toEqual(["kustomize-controller Apply"]);
  });

  it("KS-144: an edit as flux-client-side-apply survives", async () => {
    const set = await beginSet();
    const object = configMap(set.namespace, "a");
    const first = await set.apply([object]);
    const merge = { metadata: { annotations: { note: "kept" } } };
    await patchObject(set.admin, referenceOf(object), { merge }, { fieldManager: "flux-client-side-apply" });
    await set.apply([object], { record: first.record });
    expect((await getObject(set.admin, referenceOf(object))).metadata.annotations).toEqual({ note: "kept" });
  });

  it("KS-143: further managers are taken over where they are named", async () => {
    const set = await beginSet();
    const object = configMap(set.namespace, "a");
    await createObject(set.admin, configMap(set.namespace, "a", { key: "value", extra: "1" }));
    const kept = await set.apply([object]);
    expect((await getObject(set.admin, referenceOf(object))).data).toEqual({ key: "value", extra: "1" });
    const live = await getObject(set.admin, referenceOf(object));
    const creator = live.metadata.managedFields?.find(({ operation }) => operation === "Update")?.manager ?? "";
    await set.apply([configMap(set.namespace, "a", { key: "new" })], {
      record: kept.record,
      overrideManagers: [creator],
    });
    expect((await getObject(set.admin, referenceOf(object))).data).toEqual({ key: "new" });
  });

  it("KS-145: with Merge, kubectl's own fields are kept and shared ones overridden", async () => {
    const set = await beginSet();
    const marked = annotated(configMap(set.namespace, "a"), { [`${set.options().group}/ssa`]: "Merge" });
    const first = await set.apply([marked]);
    const edit = { merge: { data: { key: "edited", extra: "kept" } } };
    await patchObject(set.admin, referenceOf(marked), edit, { fieldManager: "kubectl-edit" });
    const result = await set.apply([marked], { record: first.record });
    expect(linesOf(result)).toEqual([`ConfigMap/${set.namespace}/a configured`]);
    expect((await getObject(set.admin, referenceOf(marked))).data).toEqual({ key: "value", extra: "kept" });
  });

  it("KS-142: a field that another manager has applied is taken, as conflicts are forced", async () => {
    const set = await beginSet();
    const object = configMap(set.namespace, "a");
    await applyObject(set.admin, configMap(set.namespace, "a", { key: "theirs" }), { fieldManager: "other" });
    expect(linesOf(await set.apply([object]))).toEqual([`ConfigMap/${set.namespace}/a configured`]);
    expect((await getObject(set.admin, referenceOf(object))).data).toEqual({ key: "value" });
  });

  it("KS-079, KS-155: owner labels and common metadata are set, and go when they are no longer asked for", async () => {
    const set = await beginSet();
    const object = configMap(set.namespace, "a");
    const commonMetadata = { labels: { team: "a" }, annotations: { note: "b" } };
    const first = await set.apply([object], { commonMetadata });
    const labels = set.options().ownerLabels;
    expect((await getObject(set.admin, referenceOf(object))).metadata).toMatchObject({
      labels: { ...labels, team: "a" },
      annotations: { note: "b" },
    });
    await set.apply([object], { record: first.record });
    const { metadata } = await getObject(set.admin, referenceOf(object));
    expect(metadata.labels).toEqual(labels);
    expect(metadata.annotations).toBeUndefined();
  });

  it("KS-077: what only the API server writes is not sent, stringData becomes data, ports get their protocol", async () => {
    const set = await beginSet();
    const exported = service(set.namespace, "a", {
      ports: [
        { name: "t", port: 53 },
        { name: "u", port: 53, protocol: "UDP" },
      ],
    });
    const hidden = secret(set.namespace, "a");
    const objects = [
      hidden,
      {
        ...exported,
        status: { loadBalancer: {} },
        metadata: { ...exported.metadata, creationTimestamp: "2020-01-01T00:00:00Z", managedFields: [] },
      },
    ];
    await set.apply(objects);
    const again = await set.apply(objects);
    expect(again.entries.map(({ action }) => action)).toEqual(["unchanged", "unchanged"]);
    expect((await getObject(set.admin, referenceOf(hidden))).data).toEqual({ token: "dA==" });
  });
});

describe("misspelt fields", () => {
  it("KS-117: a label that is no text is refused, not dropped", async () => {
    const set = await beginSet();
    const labelled: KubernetesObject = JSON.parse(JSON.stringify(configMap(set.namespace, "a")));
    Object.assign(labelled.metadata, { labels: { version: 1 } });
    await expect(set.apply([labelled])).rejects.toThrow(
      /^ConfigMap\/.*\/a dry-run failed: failed to create typed patch object .*: \.metadata\.labels\.version: expected string/,
    );
  });

  it("KS-077, SN-07: fields that a native kind does not have are left out, and told", async () => {
    const set = await beginSet();
    const object = deployment(set.namespace, "a");
    const misspelt = { ...object, spec: { ...asRecord(object.spec), replcias: 3 } };
    const result = await set.apply([misspelt]);
    expect(result.entries).toMatchObject([{ action: "created", dropped: [".spec.replcias"] }]);
    const again = await set.requestsOf(() => set.apply([misspelt], { record: result.record }));
    expect(again.result.entries).toMatchObject([{ action: "unchanged" }]);
    expect(again.sent).toHaveLength(1);
  });
});

describe("force", () => {
  const fixed = (namespace: string, token: string) =>
    secret(namespace, "a", { stringData: { token }, immutable: true });

  it("KS-149: an immutable field is refused without force", async () => {
    const set = await beginSet();
    await set.apply([fixed(set.namespace, "1")]);
    await expect(set.apply([fixed(set.namespace, "2")])).rejects.toThrow(
      `Secret/${set.namespace}/a dry-run failed (Invalid): Secret "a" is invalid: data: Forbidden: field is immutable when \`immutable\` is set`,
    );
  });

  it("KS-148: with force the object is deleted and made anew, and told as created", async () => {
    const set = await beginSet();
    const first = await set.apply([fixed(set.namespace, "1")]);
    const before = await getObject(set.admin, referenceOf(fixed(set.namespace, "1")));
    const forced = { force: true, record: first.record };
    const { result, sent } = await set.requestsOf(() => set.apply([fixed(set.namespace, "2")], forced));
    expect(linesOf(result)).toEqual([`Secret/${set.namespace}/a created`]);
    // Dry run, read, dry run under another name, deletion, apply: KS-160 allows six.
    expect(sent.map((request) => request.split(" ")[0])).toEqual(["PATCH", "GET", "POST", "DELETE", "PATCH"]);
    const after = await getObject(set.admin, referenceOf(fixed(set.namespace, "2")));
    expect(after.data).toEqual({ token: "Mg==" });
    expect(after.metadata.uid).not.toBe(before.metadata.uid);
    expect(await set.isUnchanged(result)).toBe(true);
  });

  it("KS-148, KS-157: the mark on the object alone is enough, and an unchanged object is left", async () => {
    const set = await beginSet();
    const mark = { [`${set.options().group}/force`]: "enabled" };
    const first = await set.apply([annotated(fixed(set.namespace, "1"), mark)]);
    const second = await set.apply([annotated(fixed(set.namespace, "2"), mark)], { record: first.record });
    expect(linesOf(second)).toEqual([`Secret/${set.namespace}/a created`]);
    expect(linesOf(await set.apply([annotated(fixed(set.namespace, "2"), mark)]))).toEqual([
      `Secret/${set.namespace}/a unchanged`,
    ]);
  });

  it("SN-18: what would be refused anew does not cost the old object; the error is the same", async () => {
    const set = await beginSet();
    const good = service(set.namespace, "a", {
      type: "NodePort",
      ports: [{ port: 80, nodePort: 30000 + Math.floor(Math.random() * 2700) }],
    });
    await set.apply([good]);
    const { uid } = (await getObject(set.admin, referenceOf(good))).metadata;
    await expect(set.apply([service(set.namespace, "a", { type: "Bogus" })], { force: true })).rejects.toThrow(
      new RegExp(
        `^Service/${set.namespace}/a dry-run failed \\(Invalid\\): Service "a" is invalid: spec.type: Unsupported value: "Bogus"`,
      ),
    );
    expect((await getObject(set.admin, referenceOf(good))).metadata.uid).toBe(uid);
  });

  it("SN-18: a port that only the old object holds does not stand in the way", async () => {
    const set = await beginSet();
    const port = 30000 + Math.floor(Math.random() * 2700);
    const ports = [{ port: 80, nodePort: port }];
    const first = service(set.namespace, "a", { type: "NodePort", ports });
    await set.apply([first]);
    const live = await getObject<KubernetesObject & { spec: { clusterIP: string } }>(set.admin, referenceOf(first));
    const address = live.spec.clusterIP.replace(/\d+$/, (last) => String((Number(last) + 97) % 250 || 11));
    const moved = service(set.namespace, "a", { type: "NodePort", ports, clusterIP: address });
    const result = await set.apply([moved], { force: true });
    expect(linesOf(result)).toEqual([`Service/${set.namespace}/a created`]);
  });

  it("KS-148: an object that a finalizer holds is pending until it is gone", async () => {
    const set = await beginSet();
    const held = fixed(set.namespace, "1");
    const first = await set.apply([{ ...held, metadata: { ...held.metadata, finalizers: ["example.org/hold"] } }]);
    const waiting = await set.apply([fixed(set.namespace, "2"), configMap(set.namespace, "b")], {
      force: true,
      record: first.record,
    });
    expect(waiting.pending.map(({ status }) => status)).toEqual(["Terminating"]);
    expect(await findObject(set.admin, referenceOf(configMap(set.namespace, "b")))).toBeUndefined();
    await patchObject(
      set.admin,
      referenceOf(held),
      { json: [{ op: "remove", path: "/metadata/finalizers" }] },
      { fieldManager: "t" },
    );
    expect(await eventually(async () => (await findObject(set.admin, referenceOf(held))) === undefined)).toBe(true);
    const done = await set.apply([fixed(set.namespace, "2"), configMap(set.namespace, "b")], {
      force: true,
      record: waiting.record,
    });
    expect(done.entries.map(({ action }) => action)).toEqual(["created", "created"]);
  });
});
