import { createHmac } from "node:crypto";
import { request } from "node:https";
import type { Push } from "./sample-server.ts";

/** Where a hook is delivered: the Receiver's address, the authority of its certificate (PEM), and the token both sides know. */
export type HookTarget = { url: string; certificateAuthority: string; token: string };

/**
 * Tells a Receiver of type generic-hmac of a push, as a Git host's webhook does (RC-003: `X-Signature: sha256=<hex>`). Rejects
 * with the status of any answer but 2xx.
 */
export function deliverPush(target: HookTarget, push: Push): Promise<void> {
  const body = JSON.stringify({ ref: `refs/heads/${push.branch}`, after: push.commit });
  const signature = createHmac("sha256", target.token).update(body).digest("hex");
  return new Promise((resolve, reject) => {
    const outgoing = request(
      target.url,
      {
        method: "POST",
        ca: target.certificateAuthority,
        timeout: 10_000,
        headers: {
          "content-type": "application/json",
          "content-length": Buffer.byteLength(body),
          "x-signature": `sha256=${signature}`,
        },
      },
      (incoming) => {
        incoming.resume();
        const status = incoming.statusCode ?? 0;
        if (status >= 200 && status < 300) resolve();
        else reject(new Error(`the Receiver answered ${status}`));
      },
    );
    outgoing.on("timeout", () => outgoing.destroy(new Error("the Receiver did not answer within 10 s")));
    outgoing.on("error", reject);
    outgoing.end(body);
  });
}
