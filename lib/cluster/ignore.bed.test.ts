import { describe, expect, it } from "vitest";
import {
  type AppliedSet,
  annotated,
  beginSet,
  configMap,
  deployment,
  linesOf,
  referenceOf,
} from "../../test/cluster/applied-set.ts";
import type { KubernetesObject } from "../api/object.ts";
import { applyObjects } from "./apply.ts";
import type { ClusterClient } from "./client.ts";
import type { IgnoreRule } from "./ignore.ts";
import { applyObject, getObject, patchObject } from "./objects.ts";
import { valueAt } from "./unstructured.ts";

const replicas: IgnoreRule = { paths: ["/spec/replicas"], target: { kind: "Deployment" } };

/** A Deployment without pods to start: nothing is ever scheduled in the bed. */
function app(namespace: string, more: { image?: string; replicas?: number; minReadySeconds?: number } = {}) {
  const { image = "app:1", ...spec } = { replicas: 1, ...more };
  const made = deployment(namespace, "a", image);
  return { ...made, spec: { ...Object(made.spec), ...spec } } satisfies KubernetesObject;
}

/** What another manager applies of the Deployment: its fields, and the keys that lead to them. */
function partOf(namespace: string, spec: Record<string, unknown>): KubernetesObject {
  return { apiVersion: "apps/v1", kind: "Deployment", metadata: { name: "a", namespace }, spec };
}

const live = ({ admin, namespace }: AppliedSet) => getObject(admin, referenceOf(app(namespace)));

/** Whether the field manager of the set owns the field of `spec`. */
async function owns(set: AppliedSet, ...path: string[]): Promise<boolean> {
  const { managedFields = [] } = (await live(set)).metadata;
  const own = managedFields.find(
    ({ manager, operation }) => manager === "kustomize-controller" && operation === "Apply",
  );
  return valueAt(own?.fieldsV1, "f:spec", ...path) !== undefined;
}

/** As an autoscaler does it: through the subresource. */
async function scale({ admin, namespace }: AppliedSet, replicas: number): Promise<void> {
  const patch = { merge: { spec: { replicas } } };
  const by = { fieldManager: "kube-controller-manager", subresource: "scale" };
  await patchObject(admin, referenceOf(app(namespace)), patch, by);
}

describe("ignored fields", () => {
  it("KS-150: replicas that an autoscaler has set are no drift: nothing is written, with a record and without", async () => {
    const set = await beginSet();
    const ignore = [replicas];
    const objects = [app(set.namespace), configMap(set.namespace, "b")];
    const { record } = await set.apply(objects, { ignore });
    await scale(set, 3);
    const before = await live(set);
    const { result, sent } = await set.requestsOf(() => set.apply(objects, { ignore, record }));
    expect(result.entries.map(({ action }) => action)).toEqual(["unchanged", "unchanged"]);
    expect(sent.filter((request) => request.startsWith("PATCH ") && !request.includes("dryRun=All"))).toEqual([]);
    const again = await set.apply(objects, { ignore });
    expect(again.entries.map(({ action }) => action)).toEqual(["unchanged", "unchanged"]);
    const after = await live(set);
    expect(valueAt(after, "spec", "replicas")).toBe(3);
    expect(after.metadata.generation).toBe(before.metadata.generation);
    // What it was scaled to is known now.
    expect(await set.isUnchanged(result)).toBe(true);
    // Without the rule it is drift.
    const put = await set.apply(objects, { record: result.record });
    expect(linesOf(put)).toContain(`Deployment/${set.namespace}/a configured`);
    expect(valueAt(await live(set), "spec", "replicas")).toBe(1);
  });

  it("KS-151 (a): a field that another manager applies is released by the next write", async () => {
    const set = await beginSet();
    const ignore = [replicas];
    const { record } = await set.apply([app(set.namespace)], { ignore });
    expect(await owns(set, "f:replicas")).toBe(true);
    const claim = partOf(set.namespace, { replicas: 5 });
    await applyObject(set.admin, claim, { fieldManager: "autoscaler", force: true });
    const changed = app(set.namespace, { minReadySeconds: 7 });
    const result = await set.apply([changed], { ignore, record });
    expect(linesOf(result)).toEqual([`Deployment/${set.namespace}/a configured`]);
    expect(valueAt(await live(set), "spec")).toMatchObject({ replicas: 5, minReadySeconds: 7 });
    expect(await owns(set, "f:replicas")).toBe(false);
    const again = await set.apply([changed], { ignore, record: result.record });
    expect(linesOf(again)).toEqual([`Deployment/${set.namespace}/a unchanged`]);
  });

  it("KS-151 (b): a field that kubectl has changed keeps its value, and stays the field manager's", async () => {
    const set = await beginSet();
    const ignore = [replicas];
    const { record } = await set.apply([app(set.namespace)], { ignore });
    const reference = referenceOf(app(set.namespace));
    await patchObject(set.admin, reference, { merge: { spec: { replicas: 4 } } }, { fieldManager: "kubectl-patch" });
    // Its managed fields are taken over, which is a write.
    const result = await set.apply([app(set.namespace)], { ignore, record });
    expect(linesOf(result)).toEqual([`Deployment/${set.namespace}/a configured`]);
    expect(valueAt(await live(set), "spec", "replicas")).toBe(4);
    expect(await owns(set, "f:replicas")).toBe(true);
    const changed = await set.apply([app(set.namespace, { image: "app:2" })], { ignore, record: result.record });
    expect(linesOf(changed)).toEqual([`Deployment/${set.namespace}/a configured`]);
    expect(valueAt(await live(set), "spec", "replicas")).toBe(4);
    expect(await owns(set, "f:replicas")).toBe(true);
  });

  it("KS-151: a value that others change between the look and the write is kept as it is then", async () => {
    const set = await beginSet();
    const ignore = [replicas];
    const { record } = await set.apply([app(set.namespace)], { ignore });
    await scale(set, 3);
    for (const [times, minReadySeconds, first] of [
      [1, 5, 4],
      [9, 6, 10],
    ] as const) {
      let [scaled, written] = [0, 0];
      const racing: ClusterClient = {
        ...set.client,
        request: async (request) => {
          const isWrite = request.method === "PATCH" && request.query?.dryRun === undefined;
          if (isWrite) written += 1;
          if (isWrite && scaled < times) await scale(set, first + scaled++);
          return set.client.request(request);
        },
      };
      const options = set.options({ ignore, record });
      const result = await applyObjects(racing, [app(set.namespace, { minReadySeconds })], options);
      expect(linesOf(result)).toEqual([`Deployment/${set.namespace}/a configured`]);
      expect(written).toBeGreaterThan(1);
      expect(written).toBeLessThanOrEqual(4);
      const { spec } = await live(set);
      // Who changes it all the time has it written as it was seen last.
      expect(spec).toMatchObject({ minReadySeconds, replicas: times === 1 ? 4 : 12 });
    }
  });

  it("KS-151 (c): what is created has the value that is wanted, and an ignored value that is the same is sent", async () => {
    const set = await beginSet();
    const ignore = [replicas];
    const first = await set.apply([app(set.namespace, { replicas: 2 })], { ignore });
    expect(linesOf(first)).toEqual([`Deployment/${set.namespace}/a created`]);
    expect(valueAt(await live(set), "spec", "replicas")).toBe(2);
    await set.apply([app(set.namespace, { replicas: 2, minReadySeconds: 7 })], { ignore, record: first.record });
    expect(valueAt(await live(set), "spec")).toMatchObject({ replicas: 2, minReadySeconds: 7 });
    expect(await owns(set, "f:replicas")).toBe(true);
  });

  it("KS-151 (d): an index of a list is found again by its merge key", async () => {
    const set = await beginSet();
    const path = "/spec/template/spec/containers/0/resources";
    const ignore = [{ paths: [path], target: { kind: "Deployment" } }];
    const withResources = (image: string) => {
      const made = app(set.namespace, { image });
      const container = { name: "app", image, resources: { requests: { cpu: "100m" } } };
      return {
        ...made,
        spec: { ...made.spec, template: { ...Object(made.spec.template), spec: { containers: [container] } } },
      };
    };
    const { record } = await set.apply([withResources("app:1")], { ignore });
    const container = { name: "app", resources: { requests: { cpu: "250m" } } };
    const claim = partOf(set.namespace, { template: { spec: { containers: [container] } } });
    await applyObject(set.admin, claim, { fieldManager: "autoscaler", force: true });
    const result = await set.apply([withResources("app:2")], { ignore, record });
    expect(linesOf(result)).toEqual([`Deployment/${set.namespace}/a configured`]);
    expect(valueAt(await live(set), "spec", "template", "spec", "containers")).toMatchObject([
      { image: "app:2", resources: { requests: { cpu: "250m" } } },
    ]);
    const inContainer = ["f:template", "f:spec", "f:containers", 'k:{"name":"app"}'];
    expect(await owns(set, ...inContainer, "f:image")).toBe(true);
    expect(await owns(set, ...inContainer, "f:resources")).toBe(false);
  });

  it("KS-150: a value of a kind without a generation, and an annotation, may be others'", async () => {
    const set = await beginSet();
    const ignore = [{ paths: ["/data/mine", "/metadata/annotations/example.org~1note"] }];
    const wanted = annotated(configMap(set.namespace, "a", { mine: "1", ours: "1" }), { "example.org/note": "a" });
    const { record } = await set.apply([wanted], { ignore });
    const edit = { data: { mine: "2" }, metadata: { annotations: { "example.org/note": "b" } } };
    await patchObject(set.admin, referenceOf(wanted), { merge: edit }, { fieldManager: "other" });
    const unchanged = await set.apply([wanted], { ignore, record });
    expect(linesOf(unchanged)).toEqual([`ConfigMap/${set.namespace}/a unchanged`]);
    const changed = annotated(configMap(set.namespace, "a", { mine: "1", ours: "2" }), { "example.org/note": "a" });
    const result = await set.apply([changed], { ignore, record: unchanged.record });
    expect(linesOf(result)).toEqual([`ConfigMap/${set.namespace}/a configured`]);
    const stored = await getObject(set.admin, referenceOf(wanted));
    expect(stored.data).toEqual({ mine: "2", ours: "2" });
    expect(stored.metadata.annotations).toEqual({ "example.org/note": "b" });
  });

  it("KS-150: a rule is for whole names only, and by labels and annotations; one that leads nowhere does nothing", async () => {
    const set = await beginSet();
    const { ownerLabels } = set.options();
    const [label = "", owner = ""] = Object.entries(ownerLabels)[0] ?? [];
    const cases: [IgnoreRule["target"], "unchanged" | "configured"][] = [
      [{ kind: "Deploy" }, "configured"],
      [{ kind: "Deploy.*" }, "unchanged"],
      [{ name: "x|a", group: "apps", version: "v1", namespace: set.namespace }, "unchanged"],
      [{ group: "batch" }, "configured"],
      [{ labelSelector: `${label}=${owner}` }, "unchanged"],
      [{ labelSelector: `!${label}` }, "configured"],
      [{ annotationSelector: "deployment.kubernetes.io/revision" }, "unchanged"],
      [{ annotationSelector: "example.org/none" }, "configured"],
    ];
    await set.apply([app(set.namespace)]);
    await expect
      .poll(async () => (await live(set)).metadata.annotations)
      .toHaveProperty(["deployment.kubernetes.io/revision"]);
    for (const [target, action] of cases) {
      await scale(set, 3);
      const ignore = [
        { paths: ["/spec/replicas"], ...(target === undefined ? {} : { target }) },
        { paths: ["/spec/none", "/spec/replicas/deeper", "replicas"] },
      ];
      const result = await set.apply([app(set.namespace)], { ignore });
      expect(linesOf(result), JSON.stringify(target)).toEqual([`Deployment/${set.namespace}/a ${action}`]);
    }
  });

  it("KS-150: a selector that cannot be read is refused before anything is applied", async () => {
    const set = await beginSet();
    const refusal = (target: IgnoreRule["target"] & object) =>
      set.apply([app(set.namespace)], { ignore: [{ paths: ["/spec/replicas"], target }] });
    const prefix = "failed to create ignore rule selector: invalid";
    await expect(refusal({ kind: "(Deployment" })).rejects.toThrow(
      `${prefix} kind regex: error parsing regexp: missing closing ): \`^(?:(Deployment)$\``,
    );
    await expect(refusal({ labelSelector: "a in b" })).rejects.toThrow(
      `${prefix} label selector: unable to parse requirement: found 'b' expected: '('`,
    );
    await expect(refusal({ annotationSelector: "=" })).rejects.toThrow(`${prefix} annotation selector: found '='`);
    await expect(live(set)).rejects.toThrow("not found");
  });
});
