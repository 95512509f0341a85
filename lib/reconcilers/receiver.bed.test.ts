import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { uniqueNamespace } from "../../test/bed/bed.ts";
import { type HookBed, openHookBed } from "../../test/bed/hooks.ts";
import { deleteObject, patchObject } from "../cluster/objects.ts";
import { webhookPath } from "../notify/webhook-path.ts";

const by = { fieldManager: "test" };
const requestedAt = "reconcile.fluxcd.io/requestedAt";
const resource = (name: string, more: object = {}) => ({ kind: "GitRepository", name, ...more });

let bed: HookBed;

beforeAll(async () => {
  bed = await openHookBed();
});

afterAll(() => bed.close());

describe("a Receiver's life", () => {
  it("RC-002, RC-004: gets its path, is ready and says when it runs next", async () => {
    const namespace = await uniqueNamespace("receiver");
    await bed.makeSecret(namespace, "token", { token: "secret" });
    const receiver = await bed.makeReceiver(namespace, { type: "generic", resources: [resource("app")] });
    const path = webhookPath(Buffer.from("secret"), "hook", namespace);
    expect(receiver.metadata.finalizers).toEqual(["finalizers.fluxcd.io"]);
    expect(receiver.status).toMatchObject({
      webhookPath: path,
      observedGeneration: 1,
      conditions: [
        { type: "Ready", status: "True", reason: "Succeeded", message: `Receiver initialized for path: ${path}` },
      ],
    });
    const events = await bed.client.request<{ items: { type: string; reason: string; message: string }[] }>({
      method: "GET",
      path: `/api/v1/namespaces/${namespace}/events`,
    });
    expect(events.items).toMatchObject([
      { type: "Normal", reason: "Succeeded", message: "Reconciliation finished, next run in 10m0s" },
    ]);
    expect(bed.platform.depth("notification").ready).toBe(0);
  });

  it("RC-005: without its Secret it is not ready, has no path, and heals when the Secret appears", async () => {
    const namespace = await uniqueNamespace("receiver");
    const lost = await bed.makeReceiver(namespace, { type: "github", resources: [resource("app")] });
    const message = `unable to read token from secret '${namespace}/token' error: secrets "token" not found`;
    expect(lost.status).toMatchObject({
      observedGeneration: -1,
      conditions: [
        { type: "Reconciling", status: "True", reason: "ProgressingWithRetry", message: "Reconciliation in progress" },
        { type: "Ready", status: "False", reason: "TokenNotFound", message },
      ],
    });
    await bed.makeSecret(namespace, "token", { other: "x" });
    expect((await bed.reconcile(namespace, "hook")).status?.conditions).toContainEqual(
      expect.objectContaining({ message: `invalid '${namespace}/token' secret data: required fields 'token'` }),
    );
    await patchObject(
      bed.client,
      { apiVersion: "v1", kind: "Secret", namespace, name: "token" },
      { merge: { stringData: { token: "secret" } } },
      by,
    );
    const healed = await bed.reconcile(namespace, "hook");
    expect(healed.status).toMatchObject({ observedGeneration: 1, conditions: [{ type: "Ready", status: "True" }] });
  });

  it("RC-008, RC-009: a new token gives a new path, and a request is answered", async () => {
    const namespace = await uniqueNamespace("receiver");
    await bed.makeSecret(namespace, "token", { token: "one" });
    const before = await bed.makeReceiver(namespace, { type: "generic", resources: [resource("app")] });
    await bed.makeSource(namespace, "app");
    const secret = { apiVersion: "v1", kind: "Secret", namespace, name: "token" };
    await patchObject(bed.client, secret, { merge: { stringData: { token: "two" } } }, by);
    const self = { apiVersion: before.apiVersion, kind: "Receiver", namespace, name: "hook" };
    await patchObject(bed.client, self, { merge: { metadata: { annotations: { [requestedAt]: "now" } } } }, by);
    const after = await bed.reconcile(namespace, "hook");
    expect(after.status).toMatchObject({
      webhookPath: webhookPath(Buffer.from("two"), "hook", namespace),
      lastHandledReconcileAt: "now",
    });
    expect(await bed.call(before.status?.webhookPath)).toBe(404);
    expect(await bed.call(after.status?.webhookPath)).toBe(200);
  });

  it("QK-008: an empty token is no token where it would verify", async () => {
    const namespace = await uniqueNamespace("receiver");
    await bed.makeSecret(namespace, "token", { token: "" });
    const receiver = await bed.makeReceiver(namespace, { type: "github", resources: [resource("app")] });
    expect(receiver.status?.conditions).toContainEqual(
      expect.objectContaining({ type: "Ready", status: "False", reason: "TokenNotFound" }),
    );
  });

  it("RC-006: what this release cannot verify is stalled and says so, and is never let through", async () => {
    const namespace = await uniqueNamespace("receiver");
    await bed.makeSecret(namespace, "token", { token: "secret" });
    const gitlab = await bed.makeReceiver(namespace, { type: "gitlab", resources: [resource("app")] });
    const stalled = (type: string, status: string) =>
      expect.objectContaining({
        type,
        status,
        reason: "ValidationFailed",
        message: expect.stringContaining("'gitlab'"),
      });
    expect(gitlab.status?.conditions).toEqual([stalled("Stalled", "True"), stalled("Ready", "False")]);
    expect(gitlab.status).toMatchObject({ observedGeneration: 1 });
    expect(await bed.call(webhookPath(Buffer.from("secret"), "hook", namespace))).toBe(404);
    const filtered = await bed.makeReceiver(
      namespace,
      { type: "generic", resources: [resource("app")], resourceFilter: "res.metadata.name == 'app'" },
      "filtered",
    );
    expect(filtered.status?.conditions?.[0]).toMatchObject({ type: "Stalled", status: "True" });
  });

  it("RC-012: a deleted Receiver's path is unknown at once, and the object goes", async () => {
    const namespace = await uniqueNamespace("receiver");
    await bed.makeSecret(namespace, "token", { token: "secret" });
    const receiver = await bed.makeReceiver(namespace, { type: "generic", resources: [resource("app")] });
    const self = { apiVersion: receiver.apiVersion, kind: "Receiver", namespace, name: "hook" };
    await deleteObject(bed.client, self);
    expect(await bed.call(receiver.status?.webhookPath)).toBe(404);
    await expect(bed.reconcile(namespace, "hook")).rejects.toThrow(
      'receivers.notification.toolkit.fluxcd.io "hook" not found',
    );
  });
});
