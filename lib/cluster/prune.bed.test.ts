import { describe, expect, it } from "vitest";
import { uniqueName } from "../../test/bed/bed.ts";
import {
  type AppliedSet,
  annotated,
  beginSet,
  configMap,
  deployment,
  eventually,
  referenceOf,
  service,
} from "../../test/cluster/applied-set.ts";
import type { KubernetesObject, ObjectReference } from "../api/object.ts";
import { createObject, findObject, patchObject } from "./objects.ts";
import { type PruneEntry, pruneObjects } from "./prune.ts";
import { formatSubject } from "./subject.ts";

const prune = ({ client, options }: AppliedSet, references: ObjectReference[]) => {
  const { group, ownerLabels } = options();
  return pruneObjects(client, references, { group, ownerLabels });
};

const linesOf = (entries: readonly PruneEntry[]) =>
  entries.map(({ reference, action }) => `${formatSubject(reference)} ${action}`);

describe("pruneObjects", () => {
  it("KS-173, KS-177: deletes what is owned in reverse order, two requests each; what is gone counts as deleted", async () => {
    const set = await beginSet();
    const objects = [configMap(set.namespace, "a"), service(set.namespace, "a"), deployment(set.namespace, "a")];
    await set.apply(objects);
    const references = [...objects, configMap(set.namespace, "gone")].map(referenceOf);
    const { result, sent } = await set.requestsOf(() => prune(set, references));
    expect(linesOf(result)).toEqual([
      `Deployment/${set.namespace}/a deleted`,
      `Service/${set.namespace}/a deleted`,
      `ConfigMap/${set.namespace}/gone deleted`,
      `ConfigMap/${set.namespace}/a deleted`,
    ]);
    expect(sent).toHaveLength(3 * 2 + 1);
    for (const reference of references) {
      expect(await eventually(async () => (await findObject(set.admin, reference)) === undefined)).toBe(true);
    }
  });

  it("KS-173: keeps what another owns, and what asks to be kept; IfNotPresent does not", async () => {
    const set = await beginSet();
    const { group } = set.options();
    const kept: KubernetesObject[] = [
      annotated(configMap(set.namespace, "a"), { [`${group}/prune`]: "Disabled" }),
      configMap(set.namespace, "b"),
      configMap(set.namespace, "c"),
      configMap(set.namespace, "d"),
    ];
    const once = annotated(configMap(set.namespace, "e"), { [`${group}/ssa`]: "IfNotPresent" });
    await set.apply([...kept, once]);
    const change = (name: string, metadata: Record<string, unknown>) =>
      patchObject(
        set.admin,
        referenceOf(configMap(set.namespace, name)),
        { merge: { metadata } },
        { fieldManager: "t" },
      );
    await change("b", { labels: { [`${group}/reconcile`]: "disabled" } });
    await change("c", { annotations: { [`${group}/ssa`]: "Ignore" } });
    await change("d", { labels: { [`${group}/name`]: "somebody-else" } });
    const entries = await prune(set, [...kept, once].map(referenceOf));
    expect(linesOf(entries)).toEqual([
      `ConfigMap/${set.namespace}/e deleted`,
      ...["d", "c", "b", "a"].map((name) => `ConfigMap/${set.namespace}/${name} skipped`),
    ]);
    for (const object of kept) expect(await findObject(set.admin, referenceOf(object))).toBeDefined();
  });

  it("KS-176: tries all, tells each refusal in Flux's words, and what is to be tried again", async () => {
    const set = await beginSet();
    const objects = [configMap(set.namespace, "a"), service(set.namespace, "b")];
    await set.apply(objects);
    const user = `system:serviceaccount:${set.namespace}:reader`;
    await allow(set, user);
    const { group, ownerLabels } = set.options();
    const pruning = pruneObjects(set.client.as(user), objects.map(referenceOf), { group, ownerLabels });
    await expect(pruning).rejects.toMatchObject({
      name: "PruneFailed",
      message: `delete failed, errors: Service/${set.namespace}/b delete failed: services "b" is forbidden: User "${user}" cannot delete resource "services" in API group "" in the namespace "${set.namespace}";`,
      survivors: [referenceOf(service(set.namespace, "b"))],
      entries: [{ reference: referenceOf(configMap(set.namespace, "a")), action: "deleted" }],
    });
  });

  it("KS-173: a kind that is no longer served took its objects with it", async () => {
    const set = await beginSet();
    const gone = { apiVersion: `${uniqueName("g")}.example.org/v1`, kind: "Gone", name: "x", namespace: set.namespace };
    expect(linesOf(await prune(set, [gone]))).toEqual([`Gone/${set.namespace}/x deleted`]);
  });

  it("KS-172: an object of a version that is no longer served is reached by the one that followed", async () => {
    const set = await beginSet();
    await set.apply([deployment(set.namespace, "a")]);
    const old = { ...referenceOf(deployment(set.namespace, "a")), apiVersion: "apps/v1beta1" };
    expect(linesOf(await prune(set, [old]))).toEqual([`Deployment/${set.namespace}/a deleted`]);
    expect(
      await eventually(
        async () => (await findObject(set.admin, referenceOf(deployment(set.namespace, "a")))) === undefined,
      ),
    ).toBe(true);
  });
});

/** Lets a user read everything here, and delete ConfigMaps. */
async function allow({ admin, namespace }: AppliedSet, user: string): Promise<void> {
  const apiVersion = "rbac.authorization.k8s.io/v1";
  const metadata = { name: "reader", namespace };
  const rules = [
    { apiGroups: [""], resources: ["*"], verbs: ["get"] },
    { apiGroups: [""], resources: ["configmaps"], verbs: ["delete"] },
  ];
  await createObject(admin, { apiVersion, kind: "Role", metadata, rules });
  const roleRef = { apiGroup: "rbac.authorization.k8s.io", kind: "Role", name: "reader" };
  const subjects = [{ kind: "User", apiGroup: "rbac.authorization.k8s.io", name: user }];
  await createObject(admin, { apiVersion, kind: "RoleBinding", metadata, roleRef, subjects });
  const spec = { user, resourceAttributes: { namespace, verb: "delete", resource: "configmaps" } };
  const review = { apiVersion: "authorization.k8s.io/v1", kind: "SubjectAccessReview", metadata: { name: "" }, spec };
  await eventually(async () => JSON.stringify((await createObject(admin, review)).status).includes('"allowed":true'));
}
