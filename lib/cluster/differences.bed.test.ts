import { describe, expect, it } from "vitest";
import { uniqueName } from "../../test/bed/bed.ts";
import {
  annotated,
  beginSet,
  configMap,
  deployment,
  referenceOf,
  secret,
  service,
} from "../../test/cluster/applied-set.ts";
import type { KubernetesObject } from "../api/object.ts";
import { type Difference, planDifferences } from "./differences.ts";
import { findObject, getObject, patchObject } from "./objects.ts";
import { formatSubject } from "./subject.ts";

const linesOf = (differences: readonly Difference[]) =>
  differences.map(({ reference, action }) => `${formatSubject(reference)} ${action}`);

describe("planDifferences", () => {
  it("KS-140, KS-141: says what an apply would do, two requests an object, and writes nothing", async () => {
    const set = await beginSet();
    const { namespace } = set;
    const mark = { [`${set.options().group}/ssa`]: "IfNotPresent" };
    const once = annotated(configMap(namespace, "once"), mark);
    const fixed = { ...configMap(namespace, "fixed"), immutable: true };
    await set.apply([configMap(namespace, "same"), deployment(namespace, "a"), secret(namespace, "s"), once, fixed]);
    const objects = [
      configMap(namespace, "same"),
      configMap(namespace, "new"),
      { ...once, data: { key: "other" } },
      { ...fixed, data: { key: "other" } },
      service(namespace, "bad", { type: "Bogus" }),
      secret(namespace, "s", { stringData: { token: "other" } }),
      deployment(namespace, "a", "app:2"),
    ];
    const before = await Promise.all(objects.map((object) => findObject(set.admin, referenceOf(object))));
    const { result, sent } = await set.requestsOf(() => planDifferences(set.client, objects, set.options()));
    expect(linesOf(result)).toEqual([
      `ConfigMap/${namespace}/fixed refused`,
      `ConfigMap/${namespace}/new created`,
      `ConfigMap/${namespace}/once skipped`,
      `ConfigMap/${namespace}/same unchanged`,
      `Secret/${namespace}/s configured`,
      `Service/${namespace}/bad refused`,
      `Deployment/${namespace}/a configured`,
    ]);
    expect(sent).toHaveLength(2 * objects.length);
    expect(sent.filter((request) => !request.startsWith("GET ") && !request.includes("dryRun=All"))).toEqual([]);
    // The status of a Deployment is its controller's.
    const tells = (object: KubernetesObject | undefined) => [object?.metadata.generation, object?.data];
    const after = await Promise.all(objects.map((object) => findObject(set.admin, referenceOf(object))));
    expect(after.map(tells)).toEqual(before.map(tells));

    const of = (line: string) => result[linesOf(result).indexOf(line)];
    expect(of(`Deployment/${namespace}/a configured`)).toMatchObject({
      live: { spec: { template: { spec: { containers: [{ image: "app:1" }] } } } },
      wanted: { spec: { template: { spec: { containers: [{ image: "app:2" }] } } } },
    });
    const hidden = of(`Secret/${namespace}/s configured`);
    expect(hidden).toMatchObject({
      live: { data: { token: "*** (before)" } },
      wanted: { data: { token: "*** (after)" } },
    });
    expect(JSON.stringify(hidden)).not.toContain("managedFields");
    expect(of(`Service/${namespace}/bad refused`)).toMatchObject({
      message: expect.stringMatching(
        `^Service/${namespace}/bad dry-run failed \\(Invalid\\): Service "bad" is invalid`,
      ),
    });
  });

  it("KS-130: what comes with its kind or its namespace is told as created", async () => {
    const set = await beginSet();
    const group = `${uniqueName("g")}.example.org`;
    const namespace = `${set.namespace}-new`;
    const schema = { openAPIV3Schema: { type: "object", "x-kubernetes-preserve-unknown-fields": true } };
    const names = { kind: "Widget", plural: "widgets" };
    const versions = [{ name: "v1", served: true, storage: true, schema }];
    const objects: KubernetesObject[] = [
      {
        apiVersion: "apiextensions.k8s.io/v1",
        kind: "CustomResourceDefinition",
        metadata: { name: `widgets.${group}` },
        spec: { group, scope: "Namespaced", names, versions },
      },
      { apiVersion: "v1", kind: "Namespace", metadata: { name: namespace } },
      configMap(namespace, "a"),
      { apiVersion: `${group}/v1`, kind: "Widget", metadata: { name: "w", namespace: set.namespace } },
      { apiVersion: "example.org/v1", kind: "Widget", metadata: { name: "w", namespace: set.namespace } },
    ];
    const differences = await planDifferences(set.client, objects, set.options());
    expect(differences.map(({ action }) => action)).toEqual(["created", "created", "created", "refused", "created"]);
    const applied = await set.apply(objects.slice(0, 4));
    expect(applied.entries.map(({ action }) => action)).toEqual(["created", "created", "created", "created"]);
  });

  it("KS-143, KS-148, KS-150: knows what is taken over, made anew, and left to others", async () => {
    const set = await beginSet();
    const { namespace } = set;
    const fixed = { ...configMap(namespace, "fixed"), immutable: true };
    const objects = [fixed, configMap(namespace, "theirs", { mine: "1" }), configMap(namespace, "edited")];
    await set.apply(objects);
    const edit = (name: string, data: Record<string, string>, fieldManager: string) =>
      patchObject(set.admin, referenceOf(configMap(namespace, name)), { merge: { data } }, { fieldManager });
    await edit("theirs", { mine: "2" }, "other");
    await edit("edited", { more: "1" }, "kubectl-edit");
    const ignore = [{ paths: ["/data/mine"] }];
    const wanted = [{ ...fixed, data: { key: "other" } }, ...objects.slice(1)];
    const differences = await planDifferences(set.client, wanted, set.options({ ignore, force: true }));
    expect(linesOf(differences)).toEqual([
      `ConfigMap/${namespace}/edited configured`,
      `ConfigMap/${namespace}/fixed configured`,
      `ConfigMap/${namespace}/theirs unchanged`,
    ]);
    expect(differences[1]).toMatchObject({
      anew: true,
      live: { data: { key: "value" } },
      wanted: { data: { key: "other" } },
    });
    expect((await getObject(set.admin, referenceOf(fixed))).data).toEqual({ key: "value" });
  });
});
