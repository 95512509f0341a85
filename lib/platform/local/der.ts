/**
 * Writes ASN.1 values in DER (X.690), as far as a certificate needs them. node:crypto reads certificates and signs
 * bytes, but writes no certificate.
 */

/** One element: its tag octet, its length in the shortest form (X.690, 10.1), its content. */
export function element(tag: number, ...content: Uint8Array[]): Uint8Array {
  const body = Buffer.concat(content);
  if (body.length < 0x80) return Buffer.concat([Buffer.of(tag, body.length), body]);
  const digits = body.length.toString(16);
  const length = Buffer.from(digits.length % 2 === 0 ? digits : `0${digits}`, "hex");
  return Buffer.concat([Buffer.of(tag, 0x80 | length.length), length, body]);
}

/** SEQUENCE (X.690, 8.9). */
export function sequence(...content: Uint8Array[]): Uint8Array {
  return element(0x30, ...content);
}

/** SET with the members as they come: the caller has one member or has sorted them (X.690, 11.6). */
export function set(...content: Uint8Array[]): Uint8Array {
  return element(0x31, ...content);
}

/** A value in a context-specific constructed tag: `[n] EXPLICIT`. */
export function explicit(number: number, content: Uint8Array): Uint8Array {
  return element(0xa0 | number, content);
}

/** A value in a context-specific primitive tag: `[n] IMPLICIT` of a string type. */
export function implicit(number: number, content: Uint8Array): Uint8Array {
  return element(0x80 | number, content);
}

/** INTEGER from the octets of a non-negative number, most significant first, without superfluous zeros (X.690, 8.3.2). */
export function unsignedInteger(octets: Uint8Array): Uint8Array {
  let start = 0;
  while (start < octets.length - 1 && octets[start] === 0) start++;
  const rest = octets.subarray(start);
  return element(0x02, (rest[0] ?? 0) >= 0x80 ? Buffer.concat([Buffer.of(0), rest]) : rest);
}

/** BOOLEAN TRUE (X.690, 11.1). FALSE is never written: in certificates it is always the default. */
export const booleanTrue: Uint8Array = element(0x01, Buffer.of(0xff));

/** OCTET STRING. */
export function octetString(content: Uint8Array): Uint8Array {
  return element(0x04, content);
}

/** BIT STRING of whole octets, or with the last `unused` bits of its last octet not meant (X.690, 8.6). */
export function bitString(content: Uint8Array, unused = 0): Uint8Array {
  return element(0x03, Buffer.of(unused), content);
}

/** UTF8String. */
export function utf8String(text: string): Uint8Array {
  return element(0x0c, Buffer.from(text, "utf8"));
}

/** OBJECT IDENTIFIER from its dotted form (X.690, 8.19). */
export function objectIdentifier(dotted: string): Uint8Array {
  const [first = 0, second = 0, ...rest] = dotted.split(".").map(Number);
  const octets = [first * 40 + second, ...rest].flatMap((number) => {
    const groups = [number & 0x7f];
    for (let left = number >>> 7; left > 0; left >>>= 7) groups.unshift((left & 0x7f) | 0x80);
    return groups;
  });
  return element(0x06, Buffer.from(octets));
}

/** Time in a certificate: UTCTime through 2049, GeneralizedTime from 2050 (RFC 5280, 4.1.2.5); whole seconds, UTC. */
export function time(date: Date): Uint8Array {
  const digits = date
    .toISOString()
    .replace(/\.\d+Z$/, "Z")
    .replace(/[-:T]/g, "");
  return date.getUTCFullYear() < 2050
    ? element(0x17, Buffer.from(digits.slice(2), "ascii"))
    : element(0x18, Buffer.from(digits, "ascii"));
}
