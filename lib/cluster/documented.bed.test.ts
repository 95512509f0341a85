import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { bring } from "../../test/apply-example.ts";
import { bedCluster, uniqueNamespace } from "../../test/bed/bed.ts";
import { configMap, referenceOf, service } from "../../test/cluster/applied-set.ts";
import { connect } from "./connect.ts";
import { findObject } from "./objects.ts";

const root = join(import.meta.dirname, "../..");

describe("docs/apply-engine.md", () => {
  it("shows a program that is type-checked and run here", async () => {
    const page = await readFile(join(root, "docs/apply-engine.md"), "utf8");
    const program = await readFile(join(root, "test/apply-example.ts"), "utf8");
    expect(/```ts\n(.*?)```/s.exec(page)?.[1]).toBe(program);
  });

  it("KS-140, KS-173: applies, changes and prunes a set, and tells whether it is ready", async () => {
    const { kubeconfig } = await bedCluster();
    const namespace = await uniqueNamespace("documented");
    const first = await bring(kubeconfig, [configMap(namespace, "a"), service(namespace, "b")]);
    expect(first).toMatchObject({
      ready: true,
      inventory: [{ id: `${namespace}_a__ConfigMap` }, { id: `${namespace}_b__Service` }],
    });
    const second = await bring(kubeconfig, [configMap(namespace, "a", { key: "new" })], first);
    expect(second).toMatchObject({ ready: true, inventory: [{ id: `${namespace}_a__ConfigMap` }] });
    const client = connect({ type: "kubeconfig", kubeconfig }, { userAgent: "test" });
    expect(await findObject(client, referenceOf(service(namespace, "b")))).toBeUndefined();
    expect(await findObject(client, referenceOf(configMap(namespace, "a")))).toMatchObject({ data: { key: "new" } });
  });
});
