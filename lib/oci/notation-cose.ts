import { decode, encode, Tagged } from "cborg";
import { type EnvelopeParts, timeNames, timestampName, unreadable } from "./notation-envelope.ts";

/** Labels of the COSE header parameters (RFC 9052, RFC 9360), and the algorithms by their names in JWS. */
const labels = { algorithm: 1, critical: 2, contentType: 3, certificates: 33 };
const algorithms = new Map([
  [-7, "ES256"],
  [-35, "ES384"],
  [-36, "ES512"],
  [-37, "PS256"],
  [-38, "PS384"],
  [-39, "PS512"],
]);
const signTag = 18;
const timeTag = 1;

/** Reads an envelope in COSE (COSE_Sign1; Notary Project, signature envelope COSE). Throws VerificationError. */
export function parseCose(bytes: Buffer): EnvelopeParts {
  const envelope = read(bytes);
  const parts: unknown[] = envelope instanceof Tagged && envelope.tag === signTag ? asList(envelope.value) : [];
  const [protectedBytes, unprotected, payload, signature] = parts;
  if (
    parts.length !== 4 ||
    !(protectedBytes instanceof Uint8Array) ||
    !(unprotected instanceof Map) ||
    !(payload instanceof Uint8Array) ||
    !(signature instanceof Uint8Array)
  )
    throw unreadable("it is not a COSE_Sign1 message");
  const header = read(protectedBytes);
  if (!(header instanceof Map)) throw unreadable("its protected header is not a map");
  const chain: unknown = unprotected.get(labels.certificates);
  const timestamp: unknown = unprotected.get(timestampName);
  const algorithm: unknown = header.get(labels.algorithm);
  const known = new Set<unknown>([labels.algorithm, labels.critical, labels.contentType]);
  const attributes = [...header]
    .filter(([name]) => !known.has(name))
    .map(([name, value]): [string, unknown] => [
      labelOf(name),
      timeNames.includes(labelOf(name)) ? timeOf(value) : value,
    ]);
  return {
    algorithm: typeof algorithm === "number" ? (algorithms.get(algorithm) ?? labelOf(algorithm)) : labelOf(algorithm),
    contentType: header.get(labels.contentType),
    critical: header.get(labels.critical),
    attributes: new Map(attributes),
    payload: Buffer.from(payload),
    signed: Buffer.from(encode(["Signature1", protectedBytes, new Uint8Array(), payload])),
    signature: Buffer.from(signature),
    certificates: (chain instanceof Uint8Array ? [chain] : asList(chain)).map((one) =>
      one instanceof Uint8Array ? Buffer.from(one) : Buffer.alloc(0),
    ),
    ...(timestamp instanceof Uint8Array ? { timestamp: Buffer.from(timestamp) } : {}),
  };
}

function read(bytes: Uint8Array): unknown {
  try {
    return decode(bytes, { useMaps: true, rejectDuplicateMapKeys: true, tags: Tagged.preserve(signTag, timeTag) });
  } catch {
    // What is nested too deeply ends here too.
    throw unreadable("it is not CBOR");
  }
}

/** COSE has numbers and texts for labels; CBOR has more, of which some cannot be made a text. */
function labelOf(value: unknown): string {
  return ["string", "number", "bigint", "undefined"].includes(typeof value) ? String(value) : `(${typeof value})`;
}

function asList(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}

/** Seconds since 1970, tagged as such. */
function timeOf(value: unknown): number | undefined {
  return value instanceof Tagged && value.tag === timeTag && typeof value.value === "number"
    ? value.value * 1000
    : undefined;
}
