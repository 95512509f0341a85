import { createHmac } from "node:crypto";
import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { uniqueNamespace } from "../../test/bed/bed.ts";
import { type HookBed, openHookBed } from "../../test/bed/hooks.ts";
import { connectTo, installedCluster } from "../../test/bed/installed.ts";
import { createHookReceiver } from "./receive.ts";

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

afterEach(() => {
  bed.away = false;
});

afterAll(() => bed.close());

describe("a cluster that does not answer", () => {
  it("SV-007: a request is kept and taken up when the cluster is back, verified as ever", async () => {
    const namespace = await uniqueNamespace("held");
    await Promise.all([bed.makeSecret(namespace, "token", { token: "secret" }), bed.makeSource(namespace, "app")]);
    const path = (await bed.makeReceiver(namespace, { type: "github", resources: [resource("app")] })).status
      ?.webhookPath;
    const receiver = createHookReceiver(bed.platform, bed.connect);
    bed.away = true;
    const good = signed('{"ref":"refs/heads/main"}', "secret", { authorization: "Bearer hush" });
    expect(await bed.call(path, good)).toBe(200);
    expect(await bed.call(path, good)).toBe(200);
    const held = await bed.platform.artifacts.list("held-webhooks/home/");
    expect(held).toHaveLength(1);
    const kept = Buffer.from((await bed.platform.artifacts.get(held[0]?.key ?? "")) ?? "").toString();
    expect(kept).not.toContain("hush");
    await receiver.replay();
    expect(await bed.platform.artifacts.list("held-webhooks/home/")).toHaveLength(1);
    bed.away = false;
    await receiver.replay();
    expect(await bed.requestedAt(namespace, "app")).toBeDefined();
    expect(await bed.wokenFor(namespace, "app")).toHaveLength(1);
    expect(await bed.platform.artifacts.list("held-webhooks/home/")).toEqual([]);
  });

  it("SV-007: a cluster that accepts connections and says nothing does not hold up the sender", async () => {
    const namespace = await uniqueNamespace("held");
    await Promise.all([bed.makeSecret(namespace, "token", { token: "secret" }), bed.makeSource(namespace, "app")]);
    const path =
      (await bed.makeReceiver(namespace, { type: "generic", resources: [resource("app")] })).status?.webhookPath ?? "";
    const sockets: Socket[] = [];
    const silent = createServer((socket) => sockets.push(socket)).listen(0, "127.0.0.1");
    await once(silent, "listening");
    const address = silent.address();
    const port = typeof address === "object" ? address?.port : 0;
    const { cluster } = await installedCluster();
    const kubeconfig = cluster.kubeconfig.replaceAll(cluster.url, `https://127.0.0.1:${port}`);
    const client = connectTo({ kubeconfig });
    const started = performance.now();
    const receiver = createHookReceiver(bed.platform, async () => client);
    expect(await receiver.receive({ path, headers: {}, body: Buffer.from("x") })).toBe(200);
    expect(performance.now() - started).toBeLessThan(9000);
    silent.close();
    for (const socket of sockets) socket.destroy();
    await createHookReceiver(bed.platform, bed.connect).replay();
    expect(await bed.requestedAt(namespace, "app")).toBeDefined();
    expect(bed.log.join("\n")).not.toContain(path);
  });

  it("SV-007: a forged request is kept too, and then triggers nothing", async () => {
    const namespace = await uniqueNamespace("held");
    await Promise.all([bed.makeSecret(namespace, "token", { token: "secret" }), bed.makeSource(namespace, "app")]);
    const path = (await bed.makeReceiver(namespace, { type: "github", resources: [resource("app")] })).status
      ?.webhookPath;
    bed.away = true;
    expect(await bed.call(path, signed("{}", "wrong"))).toBe(200);
    bed.away = false;
    await createHookReceiver(bed.platform, bed.connect).replay();
    expect(await bed.requestedAt(namespace, "app")).toBeUndefined();
    expect(await bed.platform.artifacts.list("held-webhooks/home/")).toEqual([]);
  });

  it("TM-003: paths that nobody has fill nothing, and a known one only so much", async () => {
    const namespace = await uniqueNamespace("held");
    await bed.makeSecret(namespace, "token", { token: "secret" });
    const path = (await bed.makeReceiver(namespace, { type: "generic", resources: [resource("app")] })).status
      ?.webhookPath;
    bed.away = true;
    expect(await bed.call(`/hook/${"0".repeat(64)}`)).toBe(503);
    expect(await bed.platform.artifacts.list("held-webhooks/home/")).toEqual([]);
    const large = (index: number) => bed.call(path, { body: Buffer.alloc(3 * 1024 * 1024, index) });
    const answers = [];
    for (let index = 0; index < 4; index++) answers.push(await large(index));
    expect(answers).toEqual([200, 200, 200, 503]);
    const held = await bed.platform.artifacts.list("held-webhooks/home/");
    await bed.platform.artifacts.remove(held.map(({ key }) => key));
  });
});
