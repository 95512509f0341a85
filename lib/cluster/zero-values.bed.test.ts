import { describe, expect, it } from "vitest";
import { beginSet, deployment, linesOf, referenceOf } from "../../test/cluster/applied-set.ts";
import type { KubernetesObject } from "../api/object.ts";
import { applyObject, getObject, patchObject } from "./objects.ts";
import { valueAt } from "./unstructured.ts";

describe("values that are none", () => {
  it("KS-077: are not owned, but where none is a value of its own", async () => {
    const set = await beginSet();
    const plain = deployment(set.namespace, "a");
    const template = { ...Object(Object(plain.spec).template) };
    const pod = { ...template.spec, hostNetwork: false, terminationGracePeriodSeconds: 0, nodeSelector: {} };
    const written = { ...plain, spec: { ...Object(plain.spec), paused: false, template: { ...template, spec: pod } } };
    const result = await set.apply([written]);
    expect(linesOf(result)).toEqual([`Deployment/${set.namespace}/a created`]);
    const { metadata, spec } = await getObject(set.admin, referenceOf(plain));
    const own = metadata.managedFields?.find(({ manager }) => manager === "kustomize-controller")?.fieldsV1;
    expect(Object.keys(Object(valueAt(own, "f:spec"))).sort()).toEqual(["f:replicas", "f:selector", "f:template"]);
    expect(valueAt(own, "f:spec", "f:template", "f:spec", "f:hostNetwork")).toBeUndefined();
    expect(valueAt(own, "f:spec", "f:template", "f:spec", "f:terminationGracePeriodSeconds")).toEqual({});
    expect(spec).toMatchObject({ replicas: 0, template: { spec: { terminationGracePeriodSeconds: 0 } } });
    // What another manager sets there is his, as with Flux.
    await patchObject(set.admin, referenceOf(plain), { merge: { spec: { paused: true } } }, { fieldManager: "other" });
    const again = await set.apply([written], { record: result.record });
    expect(linesOf(again)).toEqual([`Deployment/${set.namespace}/a unchanged`]);
  });

  it("KS-077: do not take back what the API server or a controller has filled in", async () => {
    const set = await beginSet();
    const claim = (labels: Record<string, string>): KubernetesObject => ({
      apiVersion: "v1",
      kind: "PersistentVolumeClaim",
      metadata: { name: "a", namespace: set.namespace, labels },
      spec: {
        accessModes: ["ReadWriteOnce"],
        storageClassName: "",
        volumeName: "",
        resources: { requests: { storage: "1Gi" } },
      },
    });
    const first = await set.apply([claim({})]);
    const bound = { merge: { spec: { volumeName: "volume-1" } } };
    await patchObject(set.admin, referenceOf(claim({})), bound, { fieldManager: "kube-controller-manager" });
    const result = await set.apply([claim({ note: "x" })], { record: first.record });
    expect(linesOf(result)).toEqual([`PersistentVolumeClaim/${set.namespace}/a configured`]);
    const { spec } = await getObject(set.admin, referenceOf(claim({})));
    expect(spec).toMatchObject({ storageClassName: "", volumeName: "volume-1" });
    // As it is written, the API server would refuse it.
    const by = { fieldManager: "test", force: true, dryRun: true };
    await expect(applyObject(set.admin, claim({}), by)).rejects.toThrow("spec is immutable after creation");
  });
});
