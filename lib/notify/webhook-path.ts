import { createHash } from "node:crypto";

/** RC-002: the path of a Receiver, `/hook/` and the SHA-256 of token, name and namespace, the token's bytes as they are. */
export function webhookPath(token: Uint8Array, name: string, namespace: string): string {
  return `/hook/${createHash("sha256").update(token).update(name).update(namespace).digest("hex")}`;
}
