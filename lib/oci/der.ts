/** One value in DER (X.690): its tag byte, its content, and all of its bytes. */
export type DerValue = { tag: number; content: Buffer; bytes: Buffer };

/** Tags that certificates are made of. */
export const derTags = { boolean: 1, integer: 2, bits: 3, octets: 4, oid: 6, sequence: 0x30, set: 0x31 } as const;

/** Reads the values that follow one another in some bytes. Throws a sentence for what is not DER: lengths have one form. */
export function readDer(bytes: Buffer): DerValue[] {
  const values: DerValue[] = [];
  for (let at = 0; at < bytes.length; ) {
    const tag = bytes[at] ?? 0;
    const first = bytes[at + 1];
    if (first === undefined || (tag & 0x1f) === 0x1f) throw new Error("malformed DER");
    const lengthBytes = first < 0x80 ? 0 : first - 0x80;
    const start = at + 2 + lengthBytes;
    if (lengthBytes > 4 || first === 0x80 || start > bytes.length) throw new Error("malformed DER");
    const length = lengthBytes === 0 ? first : bytes.readUIntBE(at + 2, lengthBytes);
    if (start + length > bytes.length) throw new Error("malformed DER");
    values.push({ tag, content: bytes.subarray(start, start + length), bytes: bytes.subarray(at, start + length) });
    at = start + length;
  }
  return values;
}

/** Bytes of the longest object identifier: those with a UUID have 20. */
const oidLimit = 128;

/** The dotted form of an object identifier. Throws a sentence for one that is longer than any. */
export function oidText(content: Buffer): string {
  // Numbers without an end take time by the square of their length.
  if (content.length > oidLimit) throw new Error("malformed DER");
  const parts: bigint[] = [];
  let value = 0n;
  for (const byte of content) {
    value = (value << 7n) | BigInt(byte & 0x7f);
    if (byte >= 0x80) continue;
    parts.push(value);
    value = 0n;
  }
  const [head = 0n, ...rest] = parts;
  const arc = head < 80n ? head / 40n : 2n;
  return [arc, head - arc * 40n, ...rest].join(".");
}
