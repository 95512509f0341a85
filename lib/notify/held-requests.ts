import { createHash } from "node:crypto";
import type { ArtifactStore } from "../platform/ports.ts";
import type { HookRequest } from "./receivers/receiver-type.ts";
import { receiverHeaders } from "./receivers/receiver-types.ts";

/** What one cluster may have waiting: requests, and bytes of all of them together. */
const limits = { requests: 100, bytes: 16 * 1024 * 1024 };

/** How long a request waits, in milliseconds. When the cluster is back, each source looks for itself within its interval anyway. */
const heldMilliseconds = 60 * 60_000;

/** A request that waits, and the key that it is kept under. */
export type HeldRequest = { key: string; request: HookRequest };

/**
 * Keeps a request for a cluster that does not answer, with the headers alone that a Receiver reads. The same request again is
 * kept once. False where the cluster has too many waiting.
 */
export async function holdRequest(
  artifacts: ArtifactStore,
  clusterId: string,
  request: HookRequest,
  now: Date,
): Promise<boolean> {
  const headers = Object.fromEntries(Object.entries(request.headers).filter(([name]) => receiverHeaders.has(name)));
  const kept = JSON.stringify({ path: request.path, headers, body: Buffer.from(request.body).toString("base64") });
  const digest = createHash("sha256").update(kept).digest("hex").slice(0, 32);
  const held = await artifacts.list(prefixOf(clusterId));
  if (held.some(({ key }) => key.endsWith(`-${digest}`))) return true;
  const bytes = held.reduce((sum, { size }) => sum + size, Buffer.byteLength(kept));
  if (held.length >= limits.requests || bytes > limits.bytes) return false;
  await artifacts.put(`${prefixOf(clusterId)}${now.getTime()}-${digest}`, Buffer.from(kept));
  return true;
}

/** Reads what waits for a cluster, oldest first, and removes what has waited too long or cannot be read. */
export async function* heldRequests(
  artifacts: ArtifactStore,
  clusterId: string,
  now: Date,
): AsyncGenerator<HeldRequest> {
  for (const { key } of await artifacts.list(prefixOf(clusterId))) {
    const since = Number(key.slice(prefixOf(clusterId).length).split("-", 1)[0]);
    const body = now.getTime() - since > heldMilliseconds ? undefined : await artifacts.get(key);
    const request = body === undefined ? undefined : parseHeld(Buffer.from(body).toString("utf8"));
    if (request === undefined) await artifacts.remove([key]);
    else yield { key, request };
  }
}

/** Three segments, where artifacts have five: the front never serves what waits. */
function prefixOf(clusterId: string): string {
  return `held-webhooks/${clusterId}/`;
}

function parseHeld(text: string): HookRequest | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof value !== "object" || value === null) return undefined;
  if (!("path" in value && "headers" in value && "body" in value)) return undefined;
  const { path, headers, body } = value;
  if (typeof path !== "string" || typeof body !== "string" || typeof headers !== "object" || headers === null)
    return undefined;
  const texts = Object.entries(headers).filter((entry): entry is [string, string] => typeof entry[1] === "string");
  return { path, headers: Object.fromEntries(texts), body: Buffer.from(body, "base64") };
}
