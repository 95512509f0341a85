import { describe, expect, it } from "vitest";
import { uniqueName } from "../../test/bed/bed.ts";
import {
  type AppliedSet,
  annotated,
  beginSet,
  configMap,
  eventually,
  linesOf,
  referenceOf,
} from "../../test/cluster/applied-set.ts";
import type { KubernetesObject } from "../api/object.ts";
import { applyObjects } from "./apply.ts";
import { createObject, deleteObject, findObject, getObject, patchObject } from "./objects.ts";

/** A definition of a kind that no other test has. */
function definitionOf(group: string, kind: string, more: Record<string, unknown> = {}): KubernetesObject {
  const plural = `${kind.toLowerCase()}s`;
  const schema = { openAPIV3Schema: { type: "object", "x-kubernetes-preserve-unknown-fields": true } };
  return {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: `${plural}.${group}` },
    spec: {
      group,
      scope: "Namespaced",
      names: { kind, plural, singular: kind.toLowerCase(), listKind: `${kind}List` },
      versions: [{ name: "v1", served: true, storage: true, schema }],
      ...more,
    },
  };
}

const uniqueGroup = () => `${uniqueName("g")}.example.org`;

function widget(group: string, namespace: string, version = "v1"): KubernetesObject {
  return { apiVersion: `${group}/${version}`, kind: "Widget", metadata: { name: "w", namespace }, spec: { size: 1 } };
}

describe("stages", () => {
  it("KS-130, KS-134: definitions, a namespace, a role, a class and what uses them in one call", async () => {
    const set = await beginSet();
    const group = uniqueGroup();
    const namespace = `${set.namespace}-new`;
    const rules = [{ apiGroups: [""], resources: ["pods"], verbs: ["get"] }];
    const objects: KubernetesObject[] = [
      widget(group, namespace),
      configMap(namespace, "a"),
      { apiVersion: "storage.k8s.io/v1", kind: "StorageClass", metadata: { name: namespace }, provisioner: "none" },
      { apiVersion: "rbac.authorization.k8s.io/v1", kind: "ClusterRole", metadata: { name: namespace }, rules },
      { apiVersion: "v1", kind: "Namespace", metadata: { name: namespace } },
      definitionOf(group, "Widget"),
    ];
    const { result, sent } = await set.requestsOf(() => set.apply(objects));
    expect(linesOf(result)).toEqual([
      `CustomResourceDefinition/widgets.${group} created`,
      `Namespace/${namespace} created`,
      `ClusterRole/${namespace} created`,
      `StorageClass/${namespace} created`,
      `ConfigMap/${namespace}/a created`,
      `Widget/${namespace}/w created`,
    ]);
    expect(result.pending).toEqual([]);
    expect(sent.length).toBeLessThanOrEqual(2 * objects.length + 12);

    const again = await set.requestsOf(() => set.apply(objects, { record: result.record }));
    expect(again.result.entries.map(({ action }) => action)).toEqual(Array(6).fill("unchanged"));
    expect(again.sent.length).toBeLessThanOrEqual(6);
    expect(await set.isUnchanged(result)).toBe(true);
  });

  it("KS-134: a definition that moves to a new version, and its object in that version, in one call", async () => {
    const set = await beginSet();
    const group = uniqueGroup();
    const first = await set.apply([definitionOf(group, "Widget"), widget(group, set.namespace)]);
    const schema = { openAPIV3Schema: { type: "object", "x-kubernetes-preserve-unknown-fields": true } };
    const versions = [
      { name: "v1", served: true, storage: false, schema },
      { name: "v2", served: true, storage: true, schema },
    ];
    const objects = [definitionOf(group, "Widget", { versions }), widget(group, set.namespace, "v2")];
    const result = await set.apply(objects, { record: first.record });
    expect(linesOf(result)[0]).toBe(`CustomResourceDefinition/widgets.${group} configured`);
    expect(linesOf(result)[1]).toMatch(`Widget/${set.namespace}/w `);
    expect((await getObject(set.admin, referenceOf(widget(group, set.namespace, "v2")))).spec).toEqual({ size: 1 });
  });

  it("KS-131: a definition whose names are taken ends the apply before its objects", async () => {
    const set = await beginSet();
    const group = uniqueGroup();
    await set.apply([definitionOf(group, "Widget")]);
    const names = { kind: "Widget", plural: "others", singular: "other", listKind: "WidgetList" };
    const clash = { ...definitionOf(group, "Other", { names }), metadata: { name: `others.${group}` } };
    await expect(set.apply([clash, configMap(set.namespace, "a")])).rejects.toMatchObject({
      message: `failed early due to stalled resources: [CustomResourceDefinition/others.${group} status: 'Failed']`,
      entries: [{ action: "created" }],
    });
    expect(await findObject(set.admin, referenceOf(configMap(set.namespace, "a")))).toBeUndefined();
  });

  it("KS-131, SN-09: a namespace that is going away is pending, and holds back what follows", async () => {
    const set = await beginSet();
    const namespace = { apiVersion: "v1", kind: "Namespace", metadata: { name: `${set.namespace}-stuck` } };
    const held = configMap(namespace.metadata.name, "held");
    await createObject(set.admin, namespace);
    await createObject(set.admin, { ...held, metadata: { ...held.metadata, finalizers: ["example.org/hold"] } });
    await deleteObject(set.admin, referenceOf(namespace));
    const started = Date.now();
    const result = await set.apply([namespace, configMap(set.namespace, "after")]);
    expect(result.pending.map(({ reference, status }) => `${reference.kind} ${status}`)).toEqual([
      "Namespace Terminating",
    ]);
    expect(Date.now() - started).toBeLessThan(2500);
    expect(await findObject(set.admin, referenceOf(configMap(set.namespace, "after")))).toBeUndefined();
    // Its end lets the same call succeed, from the record that came with what was pending.
    await patchObject(
      set.admin,
      referenceOf(held),
      { json: [{ op: "remove", path: "/metadata/finalizers" }] },
      { fieldManager: "t" },
    );
    expect(await eventually(async () => (await findObject(set.admin, referenceOf(namespace))) === undefined)).toBe(
      true,
    );
    const resumed = await set.apply([namespace, configMap(set.namespace, "after")], { record: result.record });
    expect(linesOf(resumed)).toEqual([
      `Namespace/${namespace.metadata.name} created`,
      `ConfigMap/${set.namespace}/after created`,
    ]);
  });

  it("KS-132: a definition or a class that is skipped is waited for on every pass, also where it is not there", async () => {
    const set = await beginSet();
    const mark = { [`${set.options().group}/ssa`]: "Ignore" };
    const namespace = annotated(
      { apiVersion: "v1", kind: "Namespace", metadata: { name: `${set.namespace}-foreign` } },
      mark,
    );
    const objects = [namespace, configMap(set.namespace, "after")];
    const first = await set.apply(objects);
    const waited = { reference: referenceOf(namespace), status: "NotFound" };
    expect(first.pending).toMatchObject([waited]);
    expect(linesOf(first)).toEqual([`Namespace/${namespace.metadata.name} skipped`]);
    expect((await set.apply(objects, { record: first.record })).pending).toMatchObject([waited]);
    expect(await findObject(set.admin, referenceOf(configMap(set.namespace, "after")))).toBeUndefined();

    await createObject(set.admin, { ...namespace, metadata: { name: namespace.metadata.name } });
    const done = await set.apply(objects, { record: first.record });
    expect(done.pending).toEqual([]);
    expect(linesOf(done)[1]).toBe(`ConfigMap/${set.namespace}/after created`);
    // One that is not ready is waited for too.
    const held = {
      ...configMap(namespace.metadata.name, "held"),
      metadata: { name: "held", namespace: namespace.metadata.name, finalizers: ["example.org/hold"] },
    };
    await createObject(set.admin, held);
    await deleteObject(set.admin, referenceOf(namespace));
    expect((await set.apply(objects, { record: done.record })).pending).toMatchObject([{ status: "Terminating" }]);
    const patch = { json: [{ op: "remove", path: "/metadata/finalizers" }] } as const;
    await patchObject(set.admin, referenceOf(held), patch, { fieldManager: "t" });
  });

  it("KS-131, SN-09: a definition that takes long is pending: nothing that needs it is tried, and all comes once it can", async () => {
    const set = await beginSet();
    const group = uniqueGroup();
    const objects = [definitionOf(group, "Widget"), widget(group, set.namespace), configMap(set.namespace, "after")];
    const [definition, held] = [definitionOf(group, "Widget"), widget(group, set.namespace)];
    await set.apply(objects.slice(0, 2));
    // It is to be deleted, and an object of it is held: it neither goes nor is it ready.
    const hold = { merge: { metadata: { finalizers: ["example.org/hold"] } } };
    await patchObject(set.admin, referenceOf(held), hold, { fieldManager: "t" });
    await deleteObject(set.admin, referenceOf(definition));
    const started = Date.now();
    const waiting = await set.apply(objects);
    expect(Date.now() - started).toBeLessThan(2500);
    expect(waiting.pending).toMatchObject([{ reference: referenceOf(definition), status: "Terminating" }]);
    expect(await findObject(set.admin, referenceOf(configMap(set.namespace, "after")))).toBeUndefined();
    const release = { json: [{ op: "remove", path: "/metadata/finalizers" }] } as const;
    await patchObject(set.admin, referenceOf(held), release, { fieldManager: "t" });
    expect(await eventually(async () => (await findObject(set.admin, referenceOf(definition))) === undefined)).toBe(
      true,
    );
    const done = await set.apply(objects, { record: waiting.record });
    expect(done.pending).toEqual([]);
    expect(linesOf(done)).toEqual([
      `CustomResourceDefinition/widgets.${group} created`,
      `ConfigMap/${set.namespace}/after created`,
      `Widget/${set.namespace}/w created`,
    ]);
  });

  it("KS-133: a tenant's role comes before its binding only in a stage of its own", async () => {
    const set = await beginSet();
    const user = await tenantOf(set);
    const [role, binding] = roleAndBinding(set.namespace);
    const tenant = set.client.as(user);
    await expect(applyObjects(tenant, [binding, role], set.options())).rejects.toThrow(
      `RoleBinding/${set.namespace}/reader not found: rolebindings.rbac.authorization.k8s.io "reader" not found`,
    );
    const customStageKinds = ["rbac.authorization.k8s.io/Role"];
    const result = await applyObjects(tenant, [binding, role], set.options({ customStageKinds }));
    expect(linesOf(result)).toEqual([
      `Role/${set.namespace}/reader created`,
      `RoleBinding/${set.namespace}/reader created`,
    ]);
  });

  it("KS-135: a namespace that was put into a cluster-scoped object is taken off", async () => {
    const set = await beginSet();
    const group = uniqueGroup();
    const definition = definitionOf(group, "Widget", { scope: "Cluster" });
    const role = { apiVersion: "rbac.authorization.k8s.io/v1", kind: "ClusterRole", rules: [] };
    const objects = [
      definition,
      widget(group, set.namespace),
      { ...role, metadata: { name: `${set.namespace}:x`, namespace: set.namespace } },
    ];
    const result = await set.apply(objects);
    expect(linesOf(result)[2]).toBe("Widget/w created");
    expect(Object.keys(result.record.objects).sort()).toEqual(
      [
        `_${set.namespace}__x_rbac.authorization.k8s.io_ClusterRole`,
        `_w_${group}_Widget`,
        `_widgets.${group}_apiextensions.k8s.io_CustomResourceDefinition`,
      ].sort(),
    );
    const again = await set.apply(objects, { record: result.record });
    expect(again.entries.map(({ action }) => action)).toEqual(["unchanged", "unchanged", "unchanged"]);
  });
});

describe("tenants", () => {
  it("KS-210, SN-10: who may not list a kind reads each object, and is as unchanged as others", async () => {
    const set = await beginSet();
    const tenant = set.client.as(await tenantOf(set));
    const objects = ["a", "b", "c"].map((name) => configMap(set.namespace, name));
    const { record } = await applyObjects(tenant, objects, set.options());
    const again = await set.requestsOf(() => applyObjects(tenant, objects, set.options({ record })));
    expect(again.result.entries.map(({ action }) => action)).toEqual(["unchanged", "unchanged", "unchanged"]);
    // The refused LIST, then one read each.
    expect(again.sent).toHaveLength(4);
    expect(again.sent.filter((request) => !request.startsWith("GET "))).toEqual([]);
  });

  it("KS-210: who has lost his rights is refused in the API server's words", async () => {
    const set = await beginSet();
    const { record } = await set.apply([configMap(set.namespace, "a"), configMap(set.namespace, "b")]);
    const nobody = set.client.as(`system:serviceaccount:${set.namespace}:nobody`);
    await expect(
      applyObjects(nobody, [configMap(set.namespace, "a", { key: "new" })], set.options({ record })),
    ).rejects.toThrow(/^ConfigMap\/.*\/a dry-run failed \(Forbidden\): configmaps "a" is forbidden/);
  });
});

function roleAndBinding(namespace: string): [KubernetesObject, KubernetesObject] {
  const metadata = { name: "reader", namespace };
  const apiVersion = "rbac.authorization.k8s.io/v1";
  const rules = [{ apiGroups: [""], resources: ["configmaps"], verbs: ["get"] }];
  const roleRef = { apiGroup: "rbac.authorization.k8s.io", kind: "Role", name: "reader" };
  const subjects = [{ kind: "User", apiGroup: "rbac.authorization.k8s.io", name: "someone" }];
  return [
    { apiVersion, kind: "Role", metadata, rules },
    { apiVersion, kind: "RoleBinding", metadata, roleRef, subjects },
  ];
}

/** A user who may read and write in the namespace of the set, but not list. */
async function tenantOf({ admin, namespace }: AppliedSet): Promise<string> {
  const user = `system:serviceaccount:${namespace}:tenant`;
  const apiVersion = "rbac.authorization.k8s.io/v1";
  const metadata = { name: "tenant", namespace };
  const verbs = ["get", "create", "patch", "update", "delete"];
  const rules = [
    { apiGroups: [""], resources: ["configmaps"], verbs },
    { apiGroups: ["rbac.authorization.k8s.io"], resources: ["roles", "rolebindings"], verbs },
  ];
  await createObject(admin, { apiVersion, kind: "Role", metadata, rules });
  const roleRef = { apiGroup: "rbac.authorization.k8s.io", kind: "Role", name: "tenant" };
  const subjects = [{ kind: "ServiceAccount", name: "tenant", namespace }];
  await createObject(admin, { apiVersion, kind: "RoleBinding", metadata, roleRef, subjects });
  const review = { apiVersion: "authorization.k8s.io/v1", kind: "SubjectAccessReview", metadata: { name: "" } };
  const resourceAttributes = { namespace, verb: "patch", resource: "configmaps" };
  await eventually(async () => {
    const answer = await createObject(admin, { ...review, spec: { user, resourceAttributes } });
    return JSON.stringify(answer.status).includes('"allowed":true');
  });
  return user;
}
