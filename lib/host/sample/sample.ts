import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { ClusterClient } from "../../cluster/client.ts";
import { applyObject, findObject } from "../../cluster/objects.ts";
import type { Host } from "../host.ts";
import { deliverPush } from "./push-hook.ts";
import { sampleName, sampleObjects } from "./sample-objects.ts";
import type { Push, SampleServer } from "./sample-server.ts";

/** How long a Receiver may take until it has its path, in milliseconds. */
const receiverWithin = 30_000;

/**
 * Makes the cluster follow the sample repository. From then on a push calls the Receiver's webhook on the host's own listener, the
 * way that every Git host's call takes. `seen` is told of each push, `failed` of a call that was not accepted.
 */
export async function followSample(options: {
  client: ClusterClient;
  host: Pick<Host, "endpoint" | "certificateAuthority">;
  server: SampleServer;
  seen: (push: Push) => void;
  failed: (error: unknown) => void;
}): Promise<void> {
  const { client, host, server } = options;
  const token = randomBytes(24).toString("hex");
  for (const object of sampleObjects(server.url, token)) {
    await applyObject(client, object, { fieldManager: "sluice-sample", force: true });
  }
  const path = await receiverPath(client);
  const target = { url: host.endpoint + path, certificateAuthority: host.certificateAuthority, token };
  server.onPush = (push) => {
    options.seen(push);
    deliverPush(target, push).catch(options.failed);
  };
}

async function receiverPath(client: ClusterClient): Promise<string> {
  const reference = { apiVersion: "notification.toolkit.fluxcd.io/v1", kind: "Receiver", ...sampleName };
  const deadline = Date.now() + receiverWithin;
  for (;;) {
    const receiver = await findObject<{ status?: { webhookPath?: string } }>(client, reference);
    const path = receiver?.status?.webhookPath;
    if (path !== undefined) return path;
    if (Date.now() > deadline) throw new Error("the sample's Receiver got no status.webhookPath within 30 s");
    await sleep(50);
  }
}
