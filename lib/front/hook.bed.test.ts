import { createHmac } from "node:crypto";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { uniqueName, uniqueNamespace } from "../../test/bed/bed.ts";
import { connectTo, installedCluster } from "../../test/bed/installed.ts";
import { openTestPlatform, type TestPlatform } from "../../test/bed/local-platform.ts";
import { makePlaceholder } from "../../test/bed/placeholder.ts";
import type { KubernetesObject } from "../api/object.ts";
import type { Receiver } from "../api/receiver.ts";
import type { ClusterClient } from "../cluster/client.ts";
import { createObject, deleteObject, getObject, patchObject } from "../cluster/objects.ts";
import { createEngine } from "../engine/engine.ts";
import type { KindReconciler } from "../engine/reconciler.ts";
import { type Kind, parseWorkItem, type WorkItem } from "../engine/work-item.ts";
import { freePort } from "../host/free-port.ts";
import { createHookReceiver } from "../notify/receive.ts";
import { webhookPath } from "../notify/webhook-path.ts";
import { finalizeReceiver, reconcileReceiver } from "../reconcilers/receiver.ts";
import { createFront, type Front } from "./front.ts";

const reconcilers = { Receiver: { reconcile: reconcileReceiver, finalize: finalizeReceiver } } satisfies Partial<
  Record<Kind, KindReconciler>
>;
const by = { fieldManager: "test" };
const requestedAt = "reconcile.fluxcd.io/requestedAt";

let client: ClusterClient;
let away: ClusterClient;
let isAway = false;
let test: TestPlatform;
let front: Front;
const woken: WorkItem[] = [];

/** A connection as the host makes it: to the real API server, or, while it is away, to a port where nobody listens. */
const connections = async (): Promise<ClusterClient> => (isAway ? away : client);

beforeAll(async () => {
  const installed = await installedCluster();
  client = installed.client;
  const gone = installed.cluster.kubeconfig.replaceAll(installed.cluster.url, `https://127.0.0.1:${await freePort()}`);
  away = connectTo({ kubeconfig: gone });
  test = await openTestPlatform("home", installed.cluster);
  test.platform.consume("source", async (body) => void woken.push(parseWorkItem(body)), { concurrency: 1 });
  test.platform.consume("apply", async (body) => void woken.push(parseWorkItem(body)), { concurrency: 1 });
  front = createFront(test.platform, { connect: connections });
});

afterEach(() => {
  isAway = false;
});

afterAll(() => test.close());

async function make(
  apiVersion: string,
  kind: string,
  namespace: string,
  name: string,
  rest: object,
): Promise<KubernetesObject> {
  return createObject(client, {
    apiVersion,
    kind,
    metadata: { namespace, name, ...metadataOf(rest) },
    ...without(rest),
  });
}
const metadataOf = (rest: object): object => ("labels" in rest ? { labels: rest.labels } : {});
const without = (rest: object): object => Object.fromEntries(Object.entries(rest).filter(([key]) => key !== "labels"));

const makeSource = (namespace: string, name: string, labels: Record<string, string> = {}) =>
  make("source.toolkit.fluxcd.io/v1", "GitRepository", namespace, name, {
    labels,
    spec: { url: "https://git.example/repo.git", interval: "1h" },
  });

const makeSecret = (namespace: string, name: string, token: string) =>
  make("v1", "Secret", namespace, name, { stringData: { token } });

/** One pass of the engine over a Receiver: what the queue would have brought. */
async function reconcile(namespace: string, name: string): Promise<Receiver> {
  const engine = createEngine({ platform: test.platform, connect: connections, reconcilers });
  const cause = { type: "schedule", slot: "test" } as const;
  const signal = AbortSignal.timeout(10_000);
  await engine.process({ cluster: "home", kind: "Receiver", namespace, name, cause }, { attempt: 1, signal });
  return readReceiver(namespace, name);
}

const readReceiver = (namespace: string, name: string) =>
  getObject<Receiver>(client, { apiVersion: "notification.toolkit.fluxcd.io/v1", kind: "Receiver", namespace, name });

async function makeReceiver(namespace: string, spec: object, name = "hook"): Promise<Receiver> {
  await make("notification.toolkit.fluxcd.io/v1", "Receiver", namespace, name, {
    spec: { secretRef: { name: "token" }, ...spec },
  });
  return reconcile(namespace, name);
}

async function call(path: string | undefined, init: RequestInit = {}): Promise<number> {
  const response = await front.fetch(new Request(`https://sluice.test${path}`, { method: "POST", ...init }));
  expect(await response.text()).toBe("");
  return response.status;
}

const annotationOf = async (namespace: string, name: string) =>
  (await getObject(client, { apiVersion: "source.toolkit.fluxcd.io/v1", kind: "GitRepository", namespace, name }))
    .metadata.annotations?.[requestedAt];

/** The causes of the work that came for an object. */
async function wokenFor(namespace: string, name: string): Promise<WorkItem[]> {
  await expect.poll(() => test.platform.depth("source").ready).toBe(0);
  return woken.filter((item) => item.namespace === namespace && item.name === name);
}

function signed(body: string, token: string, more: Record<string, string> = {}): RequestInit {
  const signature = createHmac("sha256", token).update(body).digest("hex");
  const headers = { "content-type": "application/json", "x-hub-signature-256": `sha256=${signature}`, ...more };
  return { body, headers };
}

const resource = (name: string, more: object = {}) => ({ kind: "GitRepository", name, ...more });

describe("a Receiver's life", () => {
  it("RC-002, RC-004: gets its path, is ready and says when it runs next", async () => {
    const namespace = await uniqueNamespace("receiver");
    await makeSecret(namespace, "token", "secret");
    const receiver = await makeReceiver(namespace, { type: "generic", resources: [resource("app")] });
    const path = webhookPath(Buffer.from("secret"), "hook", namespace);
    expect(receiver.metadata.finalizers).toEqual(["finalizers.fluxcd.io"]);
    expect(receiver.status).toMatchObject({
      webhookPath: path,
      observedGeneration: 1,
      conditions: [
        { type: "Ready", status: "True", reason: "Succeeded", message: `Receiver initialized for path: ${path}` },
      ],
    });
    const events = await client.request<{ items: { type: string; reason: string; message: string }[] }>({
      method: "GET",
      path: `/api/v1/namespaces/${namespace}/events`,
    });
    expect(events.items).toMatchObject([
      { type: "Normal", reason: "Succeeded", message: "Reconciliation finished, next run in 10m0s" },
    ]);
    expect(test.platform.depth("notification").ready).toBe(0);
  });

  it("RC-005: without its Secret it is not ready, has no path, and heals when the Secret appears", async () => {
    const namespace = await uniqueNamespace("receiver");
    const lost = await makeReceiver(namespace, { type: "github", resources: [resource("app")] });
    const message = `unable to read token from secret '${namespace}/token' error: secrets "token" not found`;
    expect(lost.status).toMatchObject({
      observedGeneration: -1,
      conditions: [
        { type: "Reconciling", status: "True", reason: "ProgressingWithRetry", message: "Reconciliation in progress" },
        { type: "Ready", status: "False", reason: "TokenNotFound", message },
      ],
    });
    await make("v1", "Secret", namespace, "token", { stringData: { other: "x" } });
    expect((await reconcile(namespace, "hook")).status?.conditions).toContainEqual(
      expect.objectContaining({ message: `invalid '${namespace}/token' secret data: required fields 'token'` }),
    );
    await patchObject(
      client,
      { apiVersion: "v1", kind: "Secret", namespace, name: "token" },
      { merge: { stringData: { token: "secret" } } },
      by,
    );
    const healed = await reconcile(namespace, "hook");
    expect(healed.status).toMatchObject({ observedGeneration: 1, conditions: [{ type: "Ready", status: "True" }] });
  });

  it("RC-008, RC-009: a new token gives a new path, and a request is answered", async () => {
    const namespace = await uniqueNamespace("receiver");
    await makeSecret(namespace, "token", "one");
    const before = await makeReceiver(namespace, { type: "generic", resources: [resource("app")] });
    await makeSource(namespace, "app");
    const secret = { apiVersion: "v1", kind: "Secret", namespace, name: "token" };
    await patchObject(client, secret, { merge: { stringData: { token: "two" } } }, by);
    const self = { apiVersion: before.apiVersion, kind: "Receiver", namespace, name: "hook" };
    await patchObject(client, self, { merge: { metadata: { annotations: { [requestedAt]: "now" } } } }, by);
    const after = await reconcile(namespace, "hook");
    expect(after.status).toMatchObject({
      webhookPath: webhookPath(Buffer.from("two"), "hook", namespace),
      lastHandledReconcileAt: "now",
    });
    expect(await call(before.status?.webhookPath)).toBe(404);
    expect(await call(after.status?.webhookPath)).toBe(200);
  });

  it("QK-008: an empty token is no token where it would verify", async () => {
    const namespace = await uniqueNamespace("receiver");
    await makeSecret(namespace, "token", "");
    const receiver = await makeReceiver(namespace, { type: "github", resources: [resource("app")] });
    expect(receiver.status?.conditions).toContainEqual(
      expect.objectContaining({ type: "Ready", status: "False", reason: "TokenNotFound" }),
    );
  });

  it("RC-006: what this release cannot verify is stalled and says so, and is never let through", async () => {
    const namespace = await uniqueNamespace("receiver");
    await makeSecret(namespace, "token", "secret");
    const gitlab = await makeReceiver(namespace, { type: "gitlab", resources: [resource("app")] });
    const stalled = (type: string, status: string) =>
      expect.objectContaining({
        type,
        status,
        reason: "ValidationFailed",
        message: expect.stringContaining("'gitlab'"),
      });
    expect(gitlab.status?.conditions).toEqual([stalled("Stalled", "True"), stalled("Ready", "False")]);
    expect(gitlab.status).toMatchObject({ observedGeneration: 1 });
    expect(await call(webhookPath(Buffer.from("secret"), "hook", namespace))).toBe(404);
    const filtered = await makeReceiver(
      namespace,
      { type: "generic", resources: [resource("app")], resourceFilter: "res.metadata.name == 'app'" },
      "filtered",
    );
    expect(filtered.status?.conditions?.[0]).toMatchObject({ type: "Stalled", status: "True" });
  });

  it("RC-012: a deleted Receiver's path is unknown at once, and the object goes", async () => {
    const namespace = await uniqueNamespace("receiver");
    await makeSecret(namespace, "token", "secret");
    const receiver = await makeReceiver(namespace, { type: "generic", resources: [resource("app")] });
    const self = { apiVersion: receiver.apiVersion, kind: "Receiver", namespace, name: "hook" };
    await deleteObject(client, self);
    expect(await call(receiver.status?.webhookPath)).toBe(404);
    await expect(reconcile(namespace, "hook")).rejects.toThrow(
      'receivers.notification.toolkit.fluxcd.io "hook" not found',
    );
  });
});

describe("a request to a path", () => {
  it("RH-001, RH-006, SV-008: a signed push annotates the source and wakes it", async () => {
    const namespace = await uniqueNamespace("hook");
    await Promise.all([makeSecret(namespace, "token", "secret"), makeSource(namespace, "app")]);
    const spec = { type: "github", events: ["push"], resources: [resource("app")] };
    const path = (await makeReceiver(namespace, spec)).status?.webhookPath;
    const body = JSON.stringify({ ref: "refs/heads/main" });
    expect(await call(path, signed(body, "secret", { "x-github-event": "push" }))).toBe(200);
    const first = await annotationOf(namespace, "app");
    expect(first).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z$/);
    expect((await wokenFor(namespace, "app")).map(({ cause }) => cause)).toEqual([
      { type: "webhook", receiver: `${namespace}/hook`, token: first },
    ]);
    expect(await call(path, signed(body, "secret", { "x-github-event": "push" }))).toBe(200);
    expect(await annotationOf(namespace, "app")).not.toBe(first);
    expect(await wokenFor(namespace, "app")).toHaveLength(2);

    expect(await call(path, signed(body, "wrong", { "x-github-event": "push" }))).toBe(400);
    expect(await call(path, signed(body, "secret", { "x-github-event": "ping" }))).toBe(400);
    expect(await wokenFor(namespace, "app")).toHaveLength(2);
    expect(test.log.join("\n")).not.toContain('secret"');
  });

  it("RH-001: 503 for one that is suspended, 400 when its Secret is gone", async () => {
    const namespace = await uniqueNamespace("hook");
    await Promise.all([makeSecret(namespace, "token", "secret"), makeSource(namespace, "app")]);
    const spec = { type: "generic", resources: [resource("app")] };
    const first = await makeReceiver(namespace, spec);
    const self = { apiVersion: first.apiVersion, kind: "Receiver", namespace, name: "hook" };
    await patchObject(client, self, { merge: { spec: { suspend: true } } }, by);
    expect(await call(first.status?.webhookPath)).toBe(503);
    const second = await makeReceiver(namespace, spec, "second");
    await deleteObject(client, { apiVersion: "v1", kind: "Secret", namespace, name: "token" });
    expect(await call(second.status?.webhookPath)).toBe(400);
    expect(await annotationOf(namespace, "app")).toBeUndefined();
  });

  it("RH-001, RH-002: 413 before anything, 404 for what nobody has, and any method", async () => {
    const namespace = await uniqueNamespace("hook");
    await Promise.all([makeSecret(namespace, "token", "secret"), makeSource(namespace, "app")]);
    const path = (await makeReceiver(namespace, { type: "generic", resources: [resource("app")] })).status?.webhookPath;
    expect(await call(path, { body: Buffer.alloc(3 * 1024 * 1024) })).toBe(200);
    expect(await call(path, { body: Buffer.alloc(3 * 1024 * 1024 + 1) })).toBe(413);
    expect(await call(`${path}?x=1`)).toBe(404);
    expect(await call(`/hook/${"0".repeat(64)}`)).toBe(404);
    expect(await call("/hook/..%2f..%2fsecrets")).toBe(404);
    expect(await call(path, { method: "GET" })).toBe(200);
    expect(await call(path, { body: "[".repeat(100_000), headers: { "content-type": "application/json" } })).toBe(200);
  });

  it("SV-009: a cluster's own address has its paths alone", async () => {
    const namespace = await uniqueNamespace("hook");
    await Promise.all([makeSecret(namespace, "token", "secret"), makeSource(namespace, "app")]);
    const path = (await makeReceiver(namespace, { type: "generic", resources: [resource("app")] })).status?.webhookPath;
    expect(await call(`/home${path}`)).toBe(200);
    expect(await call(`/away${path}`)).toBe(404);
  });

  it("RH-003: one missing resource is 500 and does not stop the others", async () => {
    const namespace = await uniqueNamespace("hook");
    await Promise.all([makeSecret(namespace, "token", "secret"), makeSource(namespace, "app")]);
    const spec = { type: "generic", resources: [resource("missing"), resource("app")] };
    const path = (await makeReceiver(namespace, spec)).status?.webhookPath;
    expect(await call(path)).toBe(500);
    expect(await annotationOf(namespace, "app")).toBeDefined();
    expect(await wokenFor(namespace, "app")).toHaveLength(1);
  });

  it("RH-003, RH-004: `*` takes those with the labels, and is an error without labels", async () => {
    const namespace = await uniqueNamespace("hook");
    await Promise.all([
      makeSecret(namespace, "token", "secret"),
      makeSource(namespace, "a", { team: "x" }),
      makeSource(namespace, "b", { team: "x" }),
      makeSource(namespace, "c", { team: "y" }),
      make("kustomize.toolkit.fluxcd.io/v1", "Kustomization", namespace, "k", {
        labels: { team: "x" },
        spec: { interval: "1h", path: "./", prune: true, sourceRef: { kind: "GitRepository", name: "a" } },
      }),
    ]);
    const labelled = (kind: string, labels: object) => ({ kind, name: "*", matchLabels: labels });
    const spec = {
      type: "generic",
      resources: [labelled("GitRepository", { team: "x" }), labelled("Kustomization", { team: "x" })],
    };
    expect(await call((await makeReceiver(namespace, spec)).status?.webhookPath)).toBe(200);
    expect(await Promise.all(["a", "b", "c"].map((name) => annotationOf(namespace, name)))).toEqual([
      expect.any(String),
      expect.any(String),
      undefined,
    ]);
    await expect.poll(() => woken.some((item) => item.kind === "Kustomization" && item.name === "k")).toBe(true);
    const none = { type: "generic", resources: [labelled("GitRepository", { team: "nobody" })] };
    expect(await call((await makeReceiver(namespace, none, "none")).status?.webhookPath)).toBe(200);
    const bare = { type: "generic", resources: [resource("*")] };
    expect(await call((await makeReceiver(namespace, bare, "bare")).status?.webhookPath)).toBe(500);
  });

  it("RH-005: a resource may be in another namespace", async () => {
    const [namespace, other] = await Promise.all([uniqueNamespace("hook"), uniqueNamespace("other")]);
    await Promise.all([makeSecret(namespace, "token", "secret"), makeSource(other, "app")]);
    const spec = { type: "generic", resources: [resource("app", { namespace: other })] };
    expect(await call((await makeReceiver(namespace, spec)).status?.webhookPath)).toBe(200);
    expect(await annotationOf(other, "app")).toBeDefined();
  });
});

describe("flags", () => {
  it("RH-005: another namespace can be forbidden", async () => {
    const [namespace, other, runtimeNamespace] = await Promise.all(["hook", "other", "runtime"].map(uniqueNamespace));
    if (namespace === undefined || other === undefined || runtimeNamespace === undefined)
      throw new Error("no namespace");
    await makePlaceholder(client, runtimeNamespace, ["--no-cross-namespace-refs"]);
    await Promise.all([
      makeSecret(namespace, "token", "secret"),
      makeSource(other, "app"),
      makeSource(namespace, "app"),
    ]);
    const spec = { type: "generic", resources: [resource("app", { namespace: other }), resource("app")] };
    const path = (await makeReceiver(namespace, spec)).status?.webhookPath ?? "";
    const receiver = createHookReceiver(test.platform, connections, runtimeNamespace);
    expect(await receiver.receive({ path, headers: {}, body: Buffer.alloc(0) })).toBe(500);
    expect(await annotationOf(other, "app")).toBeUndefined();
    expect(await annotationOf(namespace, "app")).toBeDefined();
  });

  it("design decision 2: where an in-cluster controller owns Receivers, Sluice knows no path", async () => {
    const [namespace, runtimeNamespace] = [await uniqueNamespace("hook"), await uniqueNamespace("runtime")];
    await makePlaceholder(client, runtimeNamespace, [], 1);
    await Promise.all([makeSecret(namespace, "token", "secret"), makeSource(namespace, "app")]);
    const path =
      (await makeReceiver(namespace, { type: "generic", resources: [resource("app")] })).status?.webhookPath ?? "";
    const receiver = createHookReceiver(test.platform, connections, runtimeNamespace);
    expect(await receiver.receive({ path, headers: {}, body: Buffer.alloc(0) })).toBe(404);
  });
});

describe("a cluster that does not answer", () => {
  it("SV-007: a request is kept and taken up when the cluster is back, verified as ever", async () => {
    const namespace = await uniqueNamespace("held");
    await Promise.all([makeSecret(namespace, "token", "secret"), makeSource(namespace, "app")]);
    const path = (await makeReceiver(namespace, { type: "github", resources: [resource("app")] })).status?.webhookPath;
    const receiver = createHookReceiver(test.platform, connections);
    isAway = true;
    const good = signed('{"ref":"refs/heads/main"}', "secret", { authorization: "Bearer hush" });
    expect(await call(path, good)).toBe(200);
    expect(await call(path, good)).toBe(200);
    const held = await test.platform.artifacts.list("held-webhooks/home/");
    expect(held).toHaveLength(1);
    const kept = Buffer.from((await test.platform.artifacts.get(held[0]?.key ?? "")) ?? "").toString();
    expect(kept).not.toContain("hush");
    await receiver.replay();
    expect(await test.platform.artifacts.list("held-webhooks/home/")).toHaveLength(1);
    isAway = false;
    await receiver.replay();
    expect(await annotationOf(namespace, "app")).toBeDefined();
    expect(await wokenFor(namespace, "app")).toHaveLength(1);
    expect(await test.platform.artifacts.list("held-webhooks/home/")).toEqual([]);
  });

  it("SV-007: a forged request is kept too, and then triggers nothing", async () => {
    const namespace = await uniqueNamespace("held");
    await Promise.all([makeSecret(namespace, "token", "secret"), makeSource(namespace, "app")]);
    const path = (await makeReceiver(namespace, { type: "github", resources: [resource("app")] })).status?.webhookPath;
    isAway = true;
    expect(await call(path, signed("{}", "wrong"))).toBe(200);
    isAway = false;
    await createHookReceiver(test.platform, connections).replay();
    expect(await annotationOf(namespace, "app")).toBeUndefined();
    expect(await test.platform.artifacts.list("held-webhooks/home/")).toEqual([]);
  });

  it("TM-003: paths that nobody has fill nothing, and a known one only so much", async () => {
    const namespace = await uniqueNamespace("held");
    await makeSecret(namespace, "token", "secret");
    const path = (await makeReceiver(namespace, { type: "generic", resources: [resource("app")] })).status?.webhookPath;
    isAway = true;
    expect(
      await call(
        `/hook/${uniqueName("0")
          .replaceAll(/[^0-9a-f]/g, "")
          .padEnd(64, "0")}`,
      ),
    ).toBe(503);
    expect(await test.platform.artifacts.list("held-webhooks/home/")).toEqual([]);
    const large = (index: number) => call(path, { body: Buffer.alloc(3 * 1024 * 1024, index) });
    const answers = [];
    for (let index = 0; index < 4; index++) answers.push(await large(index));
    expect(answers).toEqual([200, 200, 200, 503]);
    const held = await test.platform.artifacts.list("held-webhooks/home/");
    await test.platform.artifacts.remove(held.map(({ key }) => key));
  });
});
