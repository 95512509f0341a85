import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { configMap, eventually, group, linesOf } from "../../test/cluster/applied-set.ts";
import { type ControlPlane, startControlPlane } from "../host/control-plane/control-plane.ts";
import { applyObjects } from "./apply.ts";
import type { ClusterClient } from "./client.ts";
import { connect } from "./connect.ts";
import { observeHealth } from "./health.ts";
import { createObject } from "./objects.ts";
import { pruneObjects } from "./prune.ts";

/** A control plane of its own: what is wrong with its discovery would disturb everybody else. */
let plane: ControlPlane;
let directory: string;
let client: ClusterClient;

const api = "broken.example.org/v1";
const text = `unable to retrieve the complete list of server APIs: ${api}: stale GroupVersion discovery: ${api}`;
const thing = { apiVersion: api, kind: "Thing", name: "a", namespace: "default" };
const owner = { fieldManager: "kustomize-controller", group, ownerLabels: { [`${group}/name`]: "a" } };

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "unavailable-"));
  plane = await startControlPlane({ directory });
  client = connect({ type: "kubeconfig", kubeconfig: plane.kubeconfig }, { userAgent: "sluice-test" });
  await createObject(client, {
    apiVersion: "apiregistration.k8s.io/v1",
    kind: "APIService",
    metadata: { name: "v1.broken.example.org" },
    spec: {
      group: "broken.example.org",
      version: "v1",
      groupPriorityMinimum: 100,
      versionPriority: 100,
      insecureSkipTLSVerify: true,
      service: { name: "nobody", namespace: "default" },
    },
  });
  const groups = () => client.request<unknown>({ method: "GET", path: "/apis", accept: aggregated });
  expect(await eventually(async () => JSON.stringify(await groups()).includes('"Stale"'))).toBe(true);
}, 300_000);

const aggregated = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

afterAll(async () => {
  await plane?.stop();
  await rm(directory, { recursive: true, force: true });
});

describe("an API whose server is down (APIService)", () => {
  it("KS-173, KS-176: does not make its objects look gone: they are kept to be pruned later, and others go", async () => {
    const other = configMap("default", "pruned");
    await applyObjects(client, [other], owner);
    const references = [thing, { apiVersion: "v1", kind: "ConfigMap", name: "pruned", namespace: "default" }];
    await expect(pruneObjects(client, references, owner)).rejects.toMatchObject({
      message: `delete failed, errors: Thing/default/a query failed: ${text};`,
      entries: [{ reference: references[1], action: "deleted" }],
      survivors: [thing],
    });
  });

  it("KS-149: refuses its own kinds by name and before anything of their stage is written; other sets go on", async () => {
    const { name, namespace, ...kind } = thing;
    const wanted = { ...kind, metadata: { name, namespace } };
    await expect(applyObjects(client, [configMap("default", "a"), wanted], owner)).rejects.toMatchObject({
      message: `Thing/default/a dry-run failed: ${text}`,
      entries: [],
    });
    // A kind that has to be looked up, and one that no API has.
    const route = {
      apiVersion: "apiregistration.k8s.io/v1",
      kind: "APIService",
      metadata: { name: "v2.broken.example.org" },
    };
    const spec = { group: "broken.example.org", version: "v2", groupPriorityMinimum: 100, versionPriority: 99 };
    const lease = { apiVersion: "events.k8s.io/v1", kind: "Event", metadata: { name: "e", namespace: "default" } };
    const event = {
      ...lease,
      eventTime: "2020-01-01T00:00:00.000000Z",
      reason: "a",
      action: "b",
      type: "Normal",
      reportingController: "c.d/e",
      reportingInstance: "f",
      regarding: { kind: "ConfigMap", namespace: "default", name: "a" },
    };
    const result = await applyObjects(client, [configMap("default", "a"), event, { ...route, spec }], owner);
    expect(linesOf(result).every((line) => line.endsWith("created"))).toBe(true);
    const unknown = { apiVersion: "example.org/v1", kind: "Thing", metadata: { name: "a", namespace: "default" } };
    await expect(applyObjects(client, [unknown], owner)).rejects.toThrow(
      'no matches for kind "Thing" in version "example.org/v1"',
    );
  });

  it("KS-194: makes the health of its objects unknown, not absent", async () => {
    expect(await observeHealth(client, [thing])).toMatchObject([{ status: "Unknown", error: text }]);
  });
});
