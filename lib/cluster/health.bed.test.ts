import { describe, expect, it } from "vitest";
import { uniqueName } from "../../test/bed/bed.ts";
import {
  type AppliedSet,
  beginSet,
  configMap,
  deployment,
  referenceOf,
  service,
} from "../../test/cluster/applied-set.ts";
import type { KubernetesObject } from "../api/object.ts";
import { observeHealth } from "./health.ts";
import { compileHealthExpressions } from "./health-expressions.ts";
import { createObject, getObject, patchObject } from "./objects.ts";

function pod(namespace: string, name: string, labels: Record<string, string>): KubernetesObject {
  const spec = { containers: [{ name: "app", image: "app:1" }] };
  return { apiVersion: "v1", kind: "Pod", metadata: { name, namespace, labels }, spec };
}

function statefulSet(namespace: string): KubernetesObject {
  const labels = { app: "db" };
  const template = { metadata: { labels }, spec: { containers: [{ name: "app", image: "app:1" }] } };
  const spec = { replicas: 1, serviceName: "db", selector: { matchLabels: labels }, template };
  return { apiVersion: "apps/v1", kind: "StatefulSet", metadata: { name: "db", namespace }, spec };
}

const look = ({ client }: AppliedSet, objects: KubernetesObject[]) => observeHealth(client, objects.map(referenceOf));
const statusesOf = async (set: AppliedSet, objects: KubernetesObject[]) =>
  (await look(set, objects)).map(({ reference, status }) => `${reference.kind} ${status}`);

describe("observeHealth", () => {
  it("KS-190, KS-196: objects of several kinds, in the order asked, absent ones too", async () => {
    const set = await beginSet();
    const objects = [service(set.namespace, "a"), configMap(set.namespace, "a"), deployment(set.namespace, "a")];
    await set.apply(objects);
    const asked = [...objects, configMap(set.namespace, "absent")];
    await expect
      .poll(() => statusesOf(set, asked))
      .toEqual(["Service Current", "ConfigMap Current", "Deployment Current", "ConfigMap NotFound"]);
  });

  it("KS-197, SN-08: a Deployment under way, then available, one request each look", async () => {
    const set = await beginSet();
    const object = deployment(set.namespace, "a");
    const busy = { ...object, spec: { ...Object(object.spec), replicas: 1 } };
    await set.apply([busy]);
    const seen = async () =>
      (await getObject<KubernetesObject & { status: { observedGeneration: number } }>(set.admin, referenceOf(busy)))
        .status;
    await expect.poll(async () => (await seen()).observedGeneration).toBe(1);
    const { result, sent } = await set.requestsOf(() => look(set, [busy]));
    expect(result.map(({ status }) => status)).toEqual(["InProgress"]);
    expect(sent).toHaveLength(1);
  });

  it("KS-198: a StatefulSet whose pod crashes in a loop has failed", async () => {
    const set = await beginSet();
    const object = statefulSet(set.namespace);
    await set.apply([object]);
    expect(await statusesOf(set, [object])).toEqual(["StatefulSet InProgress"]);
    const crashing = pod(set.namespace, "crashing", { app: "db" });
    await createObject(set.admin, crashing);
    const containerStatuses = [
      {
        name: "app",
        image: "",
        imageID: "",
        ready: false,
        restartCount: 3,
        state: { waiting: { reason: "CrashLoopBackOff" } },
      },
    ];
    const status = { phase: "Running", containerStatuses };
    await patchObject(
      set.admin,
      referenceOf(crashing),
      { merge: { status } },
      { fieldManager: "kubelet", subresource: "status" },
    );
    const [observation] = await look(set, [object]);
    expect(observation).toMatchObject({ status: "Failed", message: "1 pods have failed" });
  });

  it("SN-08: many objects of a kind are read with one LIST, and content that says nothing is not read", async () => {
    const set = await beginSet();
    const objects = Array.from({ length: 10 }, (_, index) => [
      configMap(set.namespace, `a${index}`),
      deployment(set.namespace, `a${index}`),
    ]).flat();
    await set.apply(objects);
    const { result, sent } = await set.requestsOf(() => look(set, objects));
    expect(result).toHaveLength(20);
    expect(sent).toHaveLength(2);
  });

  it("KS-205: status is read object by object, or from one namespace where there are many, never from the whole cluster", async () => {
    const set = await beginSet();
    const objects = Array.from({ length: 5 }, (_, index) => service(set.namespace, `a${index}`));
    await set.apply(objects);
    const requestsOf = async (count: number) => {
      const { sent } = await set.requestsOf(() => look(set, objects.slice(0, count)));
      return sent;
    };
    const collection = `GET /api/v1/namespaces/${set.namespace}/services`;
    expect((await requestsOf(3)).sort()).toEqual([0, 1, 2].map((index) => `${collection}/a${index}`));
    expect(await requestsOf(5)).toEqual([`${collection}?limit=500`]);
  });

  it("KS-201, KS-203: rules of its own are asked of a whole object, even of a kind whose metadata is else enough", async () => {
    const set = await beginSet();
    const objects = [configMap(set.namespace, "a"), service(set.namespace, "a")];
    await set.apply(objects);
    const rules = await compileHealthExpressions(
      [
        { apiVersion: "v1", kind: "ConfigMap", current: "data.size() > 0" },
        { apiVersion: "v1", kind: "Service", current: "spec.nothing == 1" },
      ],
      { coversJobs: false },
    );
    const observations = await observeHealth(set.client, objects.map(referenceOf), undefined, rules);
    expect(observations.map(({ status, error }) => [status, error])).toEqual([
      ["Current", undefined],
      ["Unknown", "failed to evaluate the CEL expression 'spec.nothing == 1': no such key: nothing"],
    ]);
  });

  it("KS-194: what may not be read is unknown, with the API server's words, and hides nothing else", async () => {
    const set = await beginSet();
    const objects = ["a", "b", "c", "d"].map((name) => configMap(set.namespace, name));
    await set.apply(objects);
    const user = `system:serviceaccount:${set.namespace}:nobody`;
    const observations = await observeHealth(set.client.as(user), objects.map(referenceOf));
    expect(observations.map(({ status }) => status)).toEqual(["Unknown", "Unknown", "Unknown", "Unknown"]);
    expect(observations[0]?.error).toBe(
      `configmaps "a" is forbidden: User "${user}" cannot get resource "configmaps" in API group "" in the namespace "${set.namespace}"`,
    );
  });

  it("KS-196: an object of a kind that is not served is not there", async () => {
    const set = await beginSet();
    const unknown = {
      apiVersion: `${uniqueName("g")}.example.org/v1`,
      kind: "Widget",
      metadata: { name: "w", namespace: set.namespace },
    };
    expect(await statusesOf(set, [unknown, configMap("default", "kube-root-ca.crt")])).toEqual([
      "Widget NotFound",
      "ConfigMap Current",
    ]);
  });

  it("an aborted signal ends the look", async () => {
    const set = await beginSet();
    await expect(
      observeHealth(set.client, [referenceOf(configMap(set.namespace, "a"))], AbortSignal.abort()),
    ).rejects.toThrow(/abort/i);
  });
});
