import { createHmac } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { uniqueNamespace } from "../../test/bed/bed.ts";
import { type HookBed, openHookBed } from "../../test/bed/hooks.ts";
import { makePlaceholder } from "../../test/bed/placeholder.ts";
import { createObject, deleteObject, patchObject } from "../cluster/objects.ts";
import { createHookReceiver } from "../notify/receive.ts";

const by = { fieldManager: "test" };
const resource = (name: string, more: object = {}) => ({ kind: "GitRepository", name, ...more });
function signed(body: string, token: string, more: Record<string, string> = {}): RequestInit {
  const signature = createHmac("sha256", token).update(body).digest("hex");
  const headers = { "content-type": "application/json", "x-hub-signature-256": `sha256=${signature}`, ...more };
  return { body, headers };
}

let bed: HookBed;

beforeAll(async () => {
  bed = await openHookBed();
});

afterAll(() => bed.close());

describe("a request to a path", () => {
  it("RH-001, RH-006, SV-008: a signed push annotates the source and wakes it", async () => {
    const namespace = await uniqueNamespace("hook");
    await Promise.all([bed.makeSecret(namespace, "token", { token: "secret" }), bed.makeSource(namespace, "app")]);
    const spec = { type: "github", events: ["push"], resources: [resource("app")] };
    const path = (await bed.makeReceiver(namespace, spec)).status?.webhookPath;
    const body = JSON.stringify({ ref: "refs/heads/main" });
    expect(await bed.call(path, signed(body, "secret", { "x-github-event": "push" }))).toBe(200);
    const first = await bed.requestedAt(namespace, "app");
    expect(first).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z$/);
    expect((await bed.wokenFor(namespace, "app")).map(({ cause }) => cause)).toEqual([
      { type: "webhook", receiver: `${namespace}/hook`, token: first },
    ]);
    expect(await bed.call(path, signed(body, "secret", { "x-github-event": "push" }))).toBe(200);
    expect(await bed.requestedAt(namespace, "app")).not.toBe(first);
    expect(await bed.wokenFor(namespace, "app")).toHaveLength(2);

    expect(await bed.call(path, signed(body, "wrong", { "x-github-event": "push" }))).toBe(400);
    expect(await bed.call(path, signed(body, "secret", { "x-github-event": "ping" }))).toBe(400);
    expect(await bed.wokenFor(namespace, "app")).toHaveLength(2);
    expect(bed.log.join("\n")).not.toContain('secret"');
  });

  it("RH-001: 503 for one that is suspended, 400 when its Secret is gone", async () => {
    const namespace = await uniqueNamespace("hook");
    await Promise.all([bed.makeSecret(namespace, "token", { token: "secret" }), bed.makeSource(namespace, "app")]);
    const spec = { type: "generic", resources: [resource("app")] };
    const first = await bed.makeReceiver(namespace, spec);
    const self = { apiVersion: first.apiVersion, kind: "Receiver", namespace, name: "hook" };
    await patchObject(bed.client, self, { merge: { spec: { suspend: true } } }, by);
    expect(await bed.call(first.status?.webhookPath)).toBe(503);
    const second = await bed.makeReceiver(namespace, spec, "second");
    await deleteObject(bed.client, { apiVersion: "v1", kind: "Secret", namespace, name: "token" });
    expect(await bed.call(second.status?.webhookPath)).toBe(400);
    expect(await bed.requestedAt(namespace, "app")).toBeUndefined();
  });

  it("RH-001, RH-002: 413 before anything, 404 for what nobody has, and any method", async () => {
    const namespace = await uniqueNamespace("hook");
    await Promise.all([bed.makeSecret(namespace, "token", { token: "secret" }), bed.makeSource(namespace, "app")]);
    const path = (await bed.makeReceiver(namespace, { type: "generic", resources: [resource("app")] })).status
      ?.webhookPath;
    expect(await bed.call(path, { body: Buffer.alloc(3 * 1024 * 1024) })).toBe(200);
    expect(await bed.call(path, { body: Buffer.alloc(3 * 1024 * 1024 + 1) })).toBe(413);
    expect(await bed.call(`${path}?x=1`)).toBe(404);
    expect(await bed.call(`/hook/${"0".repeat(64)}`)).toBe(404);
    expect(await bed.call("/hook/..%2f..%2fsecrets")).toBe(404);
    expect(await bed.call(path, { method: "GET" })).toBe(200);
    expect(await bed.call(path, { body: "[".repeat(100_000), headers: { "content-type": "application/json" } })).toBe(
      200,
    );
  });

  it("SV-009: a cluster's own address has its paths alone", async () => {
    const namespace = await uniqueNamespace("hook");
    await Promise.all([bed.makeSecret(namespace, "token", { token: "secret" }), bed.makeSource(namespace, "app")]);
    const path = (await bed.makeReceiver(namespace, { type: "generic", resources: [resource("app")] })).status
      ?.webhookPath;
    expect(await bed.call(`/home${path}`)).toBe(200);
    expect(await bed.call(`/away${path}`)).toBe(404);
  });

  it("QK-006: two Receivers that share a path are both called", async () => {
    const namespace = await uniqueNamespace("hook");
    const longer = `b${namespace}`;
    await createObject(bed.client, { apiVersion: "v1", kind: "Namespace", metadata: { name: longer } });
    for (const each of [namespace, longer]) {
      await bed.makeSecret(each, "token", { token: "secret" });
      await bed.makeSource(each, "app");
    }
    const spec = { type: "generic", resources: [resource("app")] };
    const one = await bed.makeReceiver(namespace, spec, "ab");
    const other = await bed.makeReceiver(longer, spec, "a");
    expect(other.status?.webhookPath).toBe(one.status?.webhookPath);
    expect(await bed.call(one.status?.webhookPath)).toBe(200);
    expect(await bed.requestedAt(namespace, "app")).toBeDefined();
    expect(await bed.requestedAt(longer, "app")).toBeDefined();
  });

  it("RH-003: one missing resource is 500 and does not stop the others", async () => {
    const namespace = await uniqueNamespace("hook");
    await Promise.all([bed.makeSecret(namespace, "token", { token: "secret" }), bed.makeSource(namespace, "app")]);
    const spec = { type: "generic", resources: [resource("missing"), resource("app")] };
    const path = (await bed.makeReceiver(namespace, spec)).status?.webhookPath;
    expect(await bed.call(path)).toBe(500);
    expect(await bed.requestedAt(namespace, "app")).toBeDefined();
    expect(await bed.wokenFor(namespace, "app")).toHaveLength(1);
  });

  it("RH-003, RH-004: `*` takes those with the labels, and is an error without labels", async () => {
    const namespace = await uniqueNamespace("hook");
    await Promise.all([
      bed.makeSecret(namespace, "token", { token: "secret" }),
      bed.makeSource(namespace, "a", { team: "x" }),
      bed.makeSource(namespace, "b", { team: "x" }),
      bed.makeSource(namespace, "c", { team: "y" }),
      createObject(bed.client, {
        apiVersion: "kustomize.toolkit.fluxcd.io/v1",
        kind: "Kustomization",
        metadata: { namespace, name: "k", labels: { team: "x" } },
        spec: { interval: "1h", path: "./", prune: true, sourceRef: { kind: "GitRepository", name: "a" } },
      }),
    ]);
    const labelled = (kind: string, labels: object) => ({ kind, name: "*", matchLabels: labels });
    const spec = {
      type: "generic",
      resources: [labelled("GitRepository", { team: "x" }), labelled("Kustomization", { team: "x" })],
    };
    expect(await bed.call((await bed.makeReceiver(namespace, spec)).status?.webhookPath)).toBe(200);
    expect(await Promise.all(["a", "b", "c"].map((name) => bed.requestedAt(namespace, name)))).toEqual([
      expect.any(String),
      expect.any(String),
      undefined,
    ]);
    expect(await bed.wokenFor(namespace, "k", "Kustomization")).toHaveLength(1);
    const none = { type: "generic", resources: [labelled("GitRepository", { team: "nobody" })] };
    expect(await bed.call((await bed.makeReceiver(namespace, none, "none")).status?.webhookPath)).toBe(200);
    const bare = { type: "generic", resources: [resource("*")] };
    expect(await bed.call((await bed.makeReceiver(namespace, bare, "bare")).status?.webhookPath)).toBe(500);
  });

  it("RH-005: a resource may be in another namespace", async () => {
    const [namespace, other] = await Promise.all([uniqueNamespace("hook"), uniqueNamespace("other")]);
    await Promise.all([bed.makeSecret(namespace, "token", { token: "secret" }), bed.makeSource(other, "app")]);
    const spec = { type: "generic", resources: [resource("app", { namespace: other })] };
    expect(await bed.call((await bed.makeReceiver(namespace, spec)).status?.webhookPath)).toBe(200);
    expect(await bed.requestedAt(other, "app")).toBeDefined();
  });
});

describe("flags", () => {
  it("RH-005: another namespace can be forbidden", async () => {
    const [namespace, other, runtimeNamespace] = await Promise.all(["hook", "other", "runtime"].map(uniqueNamespace));
    if (namespace === undefined || other === undefined || runtimeNamespace === undefined)
      throw new Error("no namespace");
    await makePlaceholder(bed.client, runtimeNamespace, ["--no-cross-namespace-refs"]);
    await Promise.all([
      bed.makeSecret(namespace, "token", { token: "secret" }),
      bed.makeSource(other, "app"),
      bed.makeSource(namespace, "app"),
    ]);
    const spec = { type: "generic", resources: [resource("app", { namespace: other }), resource("app")] };
    const path = (await bed.makeReceiver(namespace, spec)).status?.webhookPath ?? "";
    const receiver = createHookReceiver(bed.platform, bed.connect, runtimeNamespace);
    expect(await receiver.receive({ path, headers: {}, body: Buffer.alloc(0) })).toBe(500);
    expect(await bed.requestedAt(other, "app")).toBeUndefined();
    expect(await bed.requestedAt(namespace, "app")).toBeDefined();
  });

  it("design decision 2: where an in-cluster controller owns Receivers, Sluice knows no path", async () => {
    const [namespace, runtimeNamespace] = [await uniqueNamespace("hook"), await uniqueNamespace("runtime")];
    await makePlaceholder(bed.client, runtimeNamespace, [], 1);
    await Promise.all([bed.makeSecret(namespace, "token", { token: "secret" }), bed.makeSource(namespace, "app")]);
    const path =
      (await bed.makeReceiver(namespace, { type: "generic", resources: [resource("app")] })).status?.webhookPath ?? "";
    const receiver = createHookReceiver(bed.platform, bed.connect, runtimeNamespace);
    expect(await receiver.receive({ path, headers: {}, body: Buffer.alloc(0) })).toBe(404);
  });
});
