import { beforeAll, describe, expect, it } from "vitest";
import { bedCluster, uniqueName, uniqueNamespace } from "../../test/bed/bed.ts";
import type { KubernetesObject } from "../api/object.ts";
import { ApplyFailed, type ApplyOptions, applyObjects, isUnchanged } from "./apply.ts";
import type { ClusterClient } from "./client.ts";
import { connect } from "./connect.ts";
import { formatInventory } from "./inventory.ts";
import { createObject, deleteObject, findObject, getObject, patchObject } from "./objects.ts";

const group = "kustomize.toolkit.fluxcd.io";
const manager = "kustomize-controller";

let admin: ClusterClient;
/** Counts what it sends. */
let client: ClusterClient;
let requests: string[] = [];

beforeAll(async () => {
  const { kubeconfig } = await bedCluster();
  const address = { type: "kubeconfig", kubeconfig } as const;
  admin = connect(address, { userAgent: "test" });
  client = connect(address, {
    userAgent: "sluice-test",
    onRequest: (method, path) => requests.push(`${method} ${path}`),
  });
});

/** The requests that an action sends. */
async function requestsOf<T>(action: () => Promise<T>): Promise<{ result: T; sent: string[] }> {
  requests = [];
  const result = await action();
  return { result, sent: [...requests] };
}

function optionsFor(name: string, more: Partial<ApplyOptions> = {}): ApplyOptions {
  const ownerLabels = { [`${group}/name`]: name, [`${group}/namespace`]: "sluice-test" };
  return { fieldManager: manager, group, ownerLabels, digestKey: "test", ...more };
}

function configMap(namespace: string, name: string, data: Record<string, string> = { key: "value" }): KubernetesObject {
  return { apiVersion: "v1", kind: "ConfigMap", metadata: { name, namespace }, data };
}

function secret(namespace: string, name: string): KubernetesObject {
  return { apiVersion: "v1", kind: "Secret", metadata: { name, namespace }, stringData: { token: "t" } };
}

function service(namespace: string, name: string): KubernetesObject {
  const spec = { selector: { app: name }, ports: [{ port: 80 }] };
  return { apiVersion: "v1", kind: "Service", metadata: { name, namespace }, spec };
}

function deployment(namespace: string, name: string): KubernetesObject {
  const labels = { app: name };
  const spec = {
    replicas: 0,
    selector: { matchLabels: labels },
    template: { metadata: { labels }, spec: { containers: [{ name: "app", image: "app:1" }] } },
  };
  return { apiVersion: "apps/v1", kind: "Deployment", metadata: { name, namespace }, spec };
}

/** 25 objects of each of four kinds. */
function hundred(namespace: string): KubernetesObject[] {
  return Array.from({ length: 25 }, (_, index) => [
    configMap(namespace, `a${index}`),
    secret(namespace, `a${index}`),
    service(namespace, `a${index}`),
    deployment(namespace, `a${index}`),
  ]).flat();
}

const patience = 3000;

/** Tries again until it holds: what controllers do takes a moment. */
async function eventually(check: () => Promise<boolean>): Promise<boolean> {
  for (const end = Date.now() + patience; Date.now() < end; ) {
    if (await check()) return true;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return false;
}

describe("requests", () => {
  it("KS-160, SN-10: a hundred new objects cost two each, and an unchanged set one LIST a kind", async () => {
    const namespace = await uniqueNamespace("apply");
    const objects = hundred(namespace);
    const first = await requestsOf(() => applyObjects(client, objects, optionsFor(namespace)));
    expect(first.sent.length).toBeLessThanOrEqual(2 * objects.length + 12);
    expect(first.result.entries).toHaveLength(100);
    expect(first.result.entries.every(({ action }) => action === "created")).toBe(true);

    const { record } = first.result;
    await new Promise((resolve) => setTimeout(resolve, 1500));
    const check = await requestsOf(() => isUnchanged(client, record, optionsFor(namespace)));
    expect(check.result).toBe(true);
    expect(check.sent).toHaveLength(4);

    const again = await requestsOf(() => applyObjects(client, objects, optionsFor(namespace, { record })));
    expect(again.sent).toHaveLength(4);
    expect(again.result.entries.every(({ action }) => action === "unchanged")).toBe(true);
    expect(again.result.record).toEqual(record);
  });

  it("KS-160: one changed object among a hundred costs three requests more", async () => {
    const namespace = await uniqueNamespace("apply");
    const objects = hundred(namespace);
    const { record } = await applyObjects(client, objects, optionsFor(namespace));
    const changed = objects.map((object) =>
      object.kind === "ConfigMap" && object.metadata.name === "a7" ? configMap(namespace, "a7", { key: "new" }) : object,
    );
    const { result, sent } = await requestsOf(() => applyObjects(client, changed, optionsFor(namespace, { record })));
    expect(sent.length).toBeLessThanOrEqual(7);
    expect(result.entries.filter(({ action }) => action === "configured")).toEqual([
      { reference: { apiVersion: "v1", kind: "ConfigMap", name: "a7", namespace }, action: "configured" },
    ]);
    expect(await isUnchanged(client, result.record, optionsFor(namespace))).toBe(true);
  });
});
