import { createHmac, timingSafeEqual } from "node:crypto";
import { HookRefused } from "./receiver-type.ts";

const algorithms = ["sha1", "sha256", "sha512"];

/**
 * Verifies a signature header `<algorithm>=<hex>`, an HMAC over the raw body (notifications.md, rule H), in constant time.
 * Throws HookRefused.
 */
export function verifySignature(header: string | undefined, body: Uint8Array, key: Uint8Array): void {
  if (header === undefined || header === "") throw new HookRefused("the signature is missing");
  const separator = header.indexOf("=");
  const algorithm = header.slice(0, Math.max(separator, 0));
  if (!algorithms.includes(algorithm))
    throw new HookRefused("the signature's algorithm is none of sha1, sha256, sha512");
  const digits = header.slice(separator + 1);
  if (!/^(?:[0-9a-fA-F]{2})+$/.test(digits)) throw new HookRefused("the signature is not hexadecimal");
  const given = Buffer.from(digits, "hex");
  const expected = createHmac(algorithm, key).update(body).digest();
  if (given.length !== expected.length || !timingSafeEqual(given, expected))
    throw new HookRefused("the signature does not match the body");
}
