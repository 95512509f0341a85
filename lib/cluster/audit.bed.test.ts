import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { bedCluster } from "../../test/bed/bed.ts";
import {
  annotated,
  beginSet,
  configMap,
  linesOf,
  referenceOf,
  secret,
  service,
} from "../../test/cluster/applied-set.ts";
import type { KubernetesObject } from "../api/object.ts";
import { kustomizeBinary } from "../kustomize/binary.ts";
import { getObject } from "./objects.ts";

/** What the API server writes down of a request, as far as it is read here. */
type AuditEvent = {
  stage: string;
  verb: string;
  requestURI: string;
  userAgent: string;
  responseStatus?: { code: number };
};

/** Requests of the sets' clients that changed, or tried to change, something in a namespace. */
async function changesIn(namespace: string): Promise<AuditEvent[]> {
  const { auditLog = "" } = await bedCluster();
  const lines = (await readFile(auditLog, "utf8")).split("\n").filter((line) => line.includes(namespace));
  // The API server writes one such object a line.
  const events = lines.map((line) => JSON.parse(line) as AuditEvent);
  return events.filter(
    ({ stage, verb, userAgent }) =>
      stage === "ResponseComplete" && userAgent === "sluice-test" && !["get", "list"].includes(verb),
  );
}

/** Runs the real kubectl, with an object on its standard input where there is one. */
async function kubectl(args: string[], object?: KubernetesObject): Promise<void> {
  const { kubeconfigPath } = await bedCluster();
  const directory = await mkdtemp(join(tmpdir(), "kubectl-"));
  try {
    const file = join(directory, "object.json");
    await writeFile(file, JSON.stringify(object ?? {}));
    const given = object === undefined ? args : [...args, "-f", file];
    const env = { HOME: directory, KUBECACHEDIR: directory };
    await promisify(execFile)(await kustomizeBinary(), [`--kubeconfig=${kubeconfigPath}`, ...given], { env });
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

describe("what the API server sees of an apply", () => {
  it("KS-140, KS-160: dry runs and writes by server-side apply, forced, under the field manager's name", async () => {
    const set = await beginSet("audit");
    const objects = [configMap(set.namespace, "a"), secret(set.namespace, "b"), service(set.namespace, "c")];
    const { record } = await set.apply(objects);
    const [tries, writes] = [[], []] as [string[], string[]];
    for (const { verb, requestURI, responseStatus } of await changesIn(set.namespace)) {
      expect(verb).toBe("patch");
      expect(responseStatus?.code).toBeLessThan(300);
      const url = new URL(requestURI, "https://any");
      expect(url.searchParams.get("fieldManager")).toBe("kustomize-controller");
      expect(url.searchParams.get("force")).toBe("true");
      (url.searchParams.get("dryRun") === "All" ? tries : writes).push(url.pathname);
    }
    const path = `/api/v1/namespaces/${set.namespace}`;
    const paths = [`${path}/configmaps/a`, `${path}/secrets/b`, `${path}/services/c`];
    expect(tries.sort()).toEqual(paths);
    expect(writes.sort()).toEqual(paths);
    const { managedFields } = (await getObject(set.admin, referenceOf(configMap(set.namespace, "a")))).metadata;
    expect(managedFields).toMatchObject([{ manager: "kustomize-controller", operation: "Apply" }]);

    // Nothing has changed: nothing is even tried.
    const before = (await changesIn(set.namespace)).length;
    await set.apply(objects, { record });
    expect((await changesIn(set.namespace)).length).toBe(before);
  });

  it("KS-141: a second pass leaves every resourceVersion as it is, with a record and without", async () => {
    const set = await beginSet("audit");
    const rbac = { apiVersion: "rbac.authorization.k8s.io/v1", metadata: { name: "a", namespace: set.namespace } };
    const objects: KubernetesObject[] = [
      configMap(set.namespace, "a"),
      secret(set.namespace, "b"),
      service(set.namespace, "c"),
      { ...rbac, kind: "Role", rules: [{ apiGroups: [""], resources: ["pods"], verbs: ["get"] }] },
      {
        apiVersion: "v1",
        kind: "LimitRange",
        metadata: rbac.metadata,
        spec: { limits: [{ type: "Pod", max: { cpu: "1000m" } }] },
      },
    ];
    const { record } = await set.apply(objects);
    const versions = () =>
      Promise.all(
        objects.map(async (object) => (await getObject(set.admin, referenceOf(object))).metadata.resourceVersion),
      );
    const before = await versions();
    for (const options of [{ record }, {}]) {
      const result = await set.apply(objects, options);
      expect(result.entries.map(({ action }) => action)).toEqual(Array(5).fill("unchanged"));
      expect(await versions()).toEqual(before);
    }
  });
});

describe("kubectl beside an apply", () => {
  it("KS-142, KS-143: what it applies, edits and annotates on a managed object is gone after the next pass", async () => {
    const set = await beginSet("kubectl");
    const object = configMap(set.namespace, "a");
    let { record } = await set.apply([object]);
    const changes: [args: string[], given?: KubernetesObject][] = [
      [["apply"], configMap(set.namespace, "a", { key: "mine", extra: "1" })],
      [["apply", "--server-side", "--force-conflicts"], configMap(set.namespace, "a", { key: "mine", extra: "1" })],
      [["patch", "configmap", "a", "-n", set.namespace, "--type=merge", "-p", '{"data":{"key":"mine","extra":"1"}}']],
      [["annotate", "configmap", "a", "-n", set.namespace, "note=x"]],
      [["label", "configmap", "a", "-n", set.namespace, "note=x"]],
    ];
    for (const [args, given] of changes) {
      await kubectl(args, given);
      const result = await set.apply([object], { record });
      expect(linesOf(result), args.join(" ")).toEqual([`ConfigMap/${set.namespace}/a configured`]);
      const { data, metadata } = await getObject(set.admin, referenceOf(object));
      expect(data).toEqual({ key: "value" });
      expect(metadata.annotations).toBeUndefined();
      expect(metadata.labels).toEqual(set.options().ownerLabels);
      expect(metadata.managedFields?.map(({ manager }) => manager)).toEqual(["kustomize-controller"]);
      record = result.record;
    }
  });

  it("KS-144, KS-145: its fields stay under another manager's name, and with Merge, but not with Override", async () => {
    const set = await beginSet("kubectl");
    const { group } = set.options();
    const annotate = (name: string, manager: string) =>
      kubectl(["annotate", "configmap", name, "-n", set.namespace, "note=x", `--field-manager=${manager}`]);
    const named = (name: string, value?: string, place: "labels" | "annotations" = "annotations") => {
      const object = configMap(set.namespace, name);
      if (value === undefined) return object;
      const mark = { [`${group}/ssa`]: value };
      return place === "annotations"
        ? annotated(object, mark)
        : { ...object, metadata: { ...object.metadata, labels: mark } };
    };
    const objects = [
      named("plain"),
      named("merge", "merge"),
      named("label", "Merge", "labels"),
      named("override", "Override"),
    ];
    const { record } = await set.apply(objects);
    await annotate("plain", "flux-client-side-apply");
    for (const name of ["merge", "label", "override"]) await annotate(name, "kubectl-annotate");
    const result = await set.apply(objects, { record });
    expect(linesOf(result)).toEqual([
      `ConfigMap/${set.namespace}/label unchanged`,
      `ConfigMap/${set.namespace}/merge unchanged`,
      `ConfigMap/${set.namespace}/override configured`,
      `ConfigMap/${set.namespace}/plain unchanged`,
    ]);
    const notes = await Promise.all(
      objects.map(async (object) => (await getObject(set.admin, referenceOf(object))).metadata.annotations?.note),
    );
    expect(notes).toEqual(["x", "x", "x", undefined]);
  });
});
