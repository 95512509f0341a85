import { describe, expect, it } from "vitest";
import {
  annotated,
  beginSet,
  configMap,
  deployment,
  linesOf,
  referenceOf,
  secret,
  service,
} from "../../test/cluster/applied-set.ts";
import type { KubernetesObject } from "../api/object.ts";
import { findDrift } from "./drift.ts";
import { getObject } from "./objects.ts";

const labels = { app: "a" };
const podSpec = { containers: [{ name: "app", image: "app:1", ports: [{ containerPort: 80 }] }] };
const template = { metadata: { labels }, spec: podSpec };

function job(namespace: string, image: string): KubernetesObject {
  const spec = { template: { spec: { restartPolicy: "Never", containers: [{ name: "app", image }] } } };
  return { apiVersion: "batch/v1", kind: "Job", metadata: { name: "a", namespace }, spec };
}

/** An object of nearly every kind that comes with Kubernetes, so that all controllers of the cluster have something to do. */
function everything(namespace: string): KubernetesObject[] {
  const of = (apiVersion: string, kind: string, fields: Record<string, unknown>): KubernetesObject => ({
    apiVersion,
    kind,
    metadata: { name: "a", namespace },
    ...fields,
  });
  const selector = { matchLabels: labels };
  const storage = { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "1Gi" } } };
  const rbac = "rbac.authorization.k8s.io";
  const path = { path: "/", pathType: "Prefix", backend: { service: { name: "a", port: { number: 80 } } } };
  return [
    configMap(namespace, "a"),
    secret(namespace, "a"),
    service(namespace, "a"),
    deployment(namespace, "a"),
    { ...deployment(namespace, "b"), spec: { replicas: 1, selector, template } },
    of("v1", "ServiceAccount", {}),
    of("v1", "PersistentVolumeClaim", { spec: storage }),
    of("v1", "LimitRange", { spec: { limits: [{ type: "Pod", max: { cpu: "100" } }] } }),
    of("v1", "ResourceQuota", { spec: { hard: { services: "9" } } }),
    of("apps/v1", "StatefulSet", { spec: { replicas: 1, serviceName: "a", selector, template } }),
    of("apps/v1", "DaemonSet", { spec: { selector, template } }),
    job(namespace, "app:1"),
    of("batch/v1", "CronJob", { spec: { schedule: "0 0 1 1 *", jobTemplate: { spec: job(namespace, "app:1").spec } } }),
    of("autoscaling/v2", "HorizontalPodAutoscaler", {
      spec: { maxReplicas: 2, scaleTargetRef: { apiVersion: "apps/v1", kind: "Deployment", name: "b" } },
    }),
    of("policy/v1", "PodDisruptionBudget", { spec: { minAvailable: 1, selector } }),
    of("networking.k8s.io/v1", "NetworkPolicy", { spec: { podSelector: {} } }),
    of("networking.k8s.io/v1", "Ingress", { spec: { rules: [{ http: { paths: [path] } }] } }),
    of(`${rbac}/v1`, "Role", { rules: [{ apiGroups: [""], resources: ["pods"], verbs: ["get"] }] }),
    of(`${rbac}/v1`, "RoleBinding", {
      roleRef: { apiGroup: rbac, kind: "Role", name: "a" },
      subjects: [{ kind: "ServiceAccount", name: "a", namespace }],
    }),
    { apiVersion: "scheduling.k8s.io/v1", kind: "PriorityClass", metadata: { name: namespace }, value: 1 },
  ];
}

describe("a set that is left alone", () => {
  it("SN-10, KS-141: is unchanged after the cluster's controllers have done their work, and costs one LIST a kind", async () => {
    const set = await beginSet();
    const objects = everything(set.namespace);
    const result = await set.apply(objects);
    const busy = async () => {
      const stateful = await getObject(set.admin, {
        apiVersion: "apps/v1",
        kind: "StatefulSet",
        name: "a",
        namespace: set.namespace,
      });
      return JSON.stringify(stateful.status);
    };
    await expect.poll(busy, { timeout: 10_000 }).toContain('"observedGeneration":1');
    await new Promise((resolve) => setTimeout(resolve, 2000));
    const { result: drifted, sent } = await set.requestsOf(() => findDrift(set.client, result.record, set.options()));
    expect(drifted).toEqual([]);
    expect(sent).toHaveLength(new Set(objects.map(({ kind }) => kind)).size);

    const again = await set.apply(objects);
    expect(linesOf(again).filter((line) => !line.endsWith("unchanged"))).toEqual([]);
  });
});

describe("jobs", () => {
  it("KS-157, KS-149: a Job's image is not changed, but with its mark the Job runs anew, once", async () => {
    const set = await beginSet();
    const first = await set.apply([job(set.namespace, "app:1")]);
    const { record } = first;
    await expect(set.apply([job(set.namespace, "app:2")], { record })).rejects.toThrow(
      new RegExp(
        `^Job/${set.namespace}/a dry-run failed \\(Invalid\\): Job.batch "a" is invalid: spec.template: Invalid value: .*field is immutable`,
        "s",
      ),
    );
    const marked = annotated(job(set.namespace, "app:2"), { [`${set.options().group}/force`]: "enabled" });
    const before = await getObject(set.admin, referenceOf(marked));
    const second = await set.apply([marked], { record });
    expect(linesOf(second)).toEqual([`Job/${set.namespace}/a created`]);
    const after = await getObject(set.admin, referenceOf(marked));
    expect(after.metadata.uid).not.toBe(before.metadata.uid);
    expect(linesOf(await set.apply([marked]))).toEqual([`Job/${set.namespace}/a unchanged`]);
  });

  it("KS-199: a Job that goes by itself is told, and remembered", async () => {
    const set = await beginSet();
    const plain = job(set.namespace, "app:1");
    const passing = { ...plain, spec: { ...Object(plain.spec), ttlSecondsAfterFinished: 0 } };
    const result = await set.apply([passing]);
    expect(result.entries).toMatchObject([{ action: "created", expires: true }]);
    expect(Object.values(result.record.objects)).toMatchObject([{ expires: true }]);
  });
});
