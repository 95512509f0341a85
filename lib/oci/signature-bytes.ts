import type { Registry } from "./registry.ts";

/** A blob of a repository in memory, checked against its digest. Throws RegistryError where it is larger than `limit` bytes. */
export async function readSmallBlob(
  registry: Registry,
  digest: string,
  limit: number,
  signal: AbortSignal,
): Promise<Buffer> {
  const spool = await registry.blob(digest, limit, signal);
  try {
    // A copy: what the spool reads is gone with it.
    return Buffer.from(spool.read(0, spool.size));
  } finally {
    spool.close();
  }
}

/** Standard base64 and nothing else; undefined for anything that Node would read leniently. */
export function strictBase64(text: unknown): Buffer | undefined {
  if (typeof text !== "string" || text.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(text)) return undefined;
  return Buffer.from(text, "base64");
}

/** A JSON object; undefined for anything else. */
export function jsonObject(bytes: Uint8Array | string): { readonly [name: string]: unknown } | undefined {
  try {
    return asObject(JSON.parse(typeof bytes === "string" ? bytes : Buffer.from(bytes).toString("utf8")));
  } catch {
    return undefined;
  }
}

/** A value as an object; undefined where it is none. */
export function asObject(value: unknown): { readonly [name: string]: unknown } | undefined {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? { ...value } : undefined;
}
