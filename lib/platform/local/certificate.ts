import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  sign,
  X509Certificate,
} from "node:crypto";
import { isIP, SocketAddress } from "node:net";
import {
  bitString,
  booleanTrue,
  explicit,
  implicit,
  objectIdentifier,
  octetString,
  sequence,
  set,
  time,
  unsignedInteger,
  utf8String,
} from "./der.ts";

/** A certificate and its private key, both PEM (the key PKCS#8). The key is a secret. */
export type CertificatePair = { certificate: string; key: string };

const day = 24 * 60 * 60 * 1000;
const ecdsaWithSha256 = sequence(objectIdentifier("1.2.840.10045.4.3.2"));

/**
 * Makes a self-signed certificate authority on a new P-256 key, good for ten years, that may sign only end entities
 * (RFC 5280, 4.2.1.9: path length 0). `name` is its common name.
 */
export function createCertificateAuthority(name: string): CertificatePair {
  const keys = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const subject = distinguishedName(name, []);
  const extensions = [
    extension("2.5.29.19", "critical", sequence(booleanTrue, unsignedInteger(Buffer.of(0)))),
    extension("2.5.29.15", "critical", keyUsage(0b0000_0110)),
  ];
  const certificate = signed({ subject, issuer: subject, keys, signingKey: keys.privateKey, days: 3650, extensions });
  return { certificate, key: pem(keys.privateKey) };
}

/**
 * Issues a certificate for a TLS server, and client, on a new P-256 key, good for one year. `names` are DNS names and IP
 * addresses, which become subject alternative names of their type (RFC 6125: a client looks only there); the first is
 * the common name unless `commonName` is given. `organizations` become the subject's O fields, which Kubernetes reads as
 * a client's groups. Throws where there is neither a name nor a common name, or where the authority is not PEM.
 */
export function issueCertificate(
  authority: CertificatePair,
  request: { names: string[]; commonName?: string; organizations?: string[] },
): CertificatePair {
  const commonName = request.commonName ?? request.names[0];
  if (commonName === undefined) throw new Error("a certificate needs at least one name");
  const keys = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const extensions = [
    extension("2.5.29.19", "critical", sequence()),
    extension("2.5.29.15", "critical", keyUsage(0b1000_0000)),
    extension(
      "2.5.29.37",
      "informative",
      sequence(objectIdentifier("1.3.6.1.5.5.7.3.1"), objectIdentifier("1.3.6.1.5.5.7.3.2")),
    ),
  ];
  if (request.names.length > 0) {
    extensions.push(extension("2.5.29.17", "informative", sequence(...request.names.map(alternativeName))));
  }
  const certificate = signed({
    subject: distinguishedName(commonName, request.organizations ?? []),
    issuer: distinguishedName(commonNameOf(authority.certificate), []),
    keys,
    signingKey: createPrivateKey(authority.key),
    days: 365,
    extensions,
  });
  return { certificate, key: pem(keys.privateKey) };
}

/** RFC 5280, 4.1: the part that is signed, the algorithm, the signature. */
function signed(request: {
  subject: Uint8Array;
  issuer: Uint8Array;
  keys: { publicKey: KeyObject; privateKey: KeyObject };
  signingKey: KeyObject;
  days: number;
  extensions: Uint8Array[];
}): string {
  const now = Date.now();
  const publicKey = request.keys.publicKey.export({ type: "spki", format: "der" });
  const body = sequence(
    explicit(0, unsignedInteger(Buffer.of(2))),
    unsignedInteger(randomBytes(16)),
    ecdsaWithSha256,
    request.issuer,
    // The clocks of the two sides of a connection may differ.
    sequence(time(new Date(now - day)), time(new Date(now + request.days * day))),
    request.subject,
    publicKey,
    explicit(
      3,
      sequence(
        ...request.extensions,
        extension("2.5.29.14", "informative", octetString(keyIdentifier(request.keys.publicKey))),
        extension(
          "2.5.29.35",
          "informative",
          sequence(implicit(0, keyIdentifier(createPublicKey(request.signingKey)))),
        ),
      ),
    ),
  );
  const signature = sign("sha256", body, request.signingKey);
  const base64 = Buffer.from(sequence(body, ecdsaWithSha256, bitString(signature))).toString("base64");
  const lines = base64.match(/.{1,64}/g) ?? [];
  return ["-----BEGIN CERTIFICATE-----", ...lines, "-----END CERTIFICATE-----", ""].join("\n");
}

/** RFC 7093, 2: the leftmost 160 bits of a SHA-256; what it names is not secret, only distinct. */
function keyIdentifier(publicKey: KeyObject): Uint8Array {
  return createHash("sha256")
    .update(publicKey.export({ type: "spki", format: "der" }))
    .digest()
    .subarray(0, 20);
}

function extension(oid: string, weight: "critical" | "informative", value: Uint8Array): Uint8Array {
  return sequence(objectIdentifier(oid), ...(weight === "critical" ? [booleanTrue] : []), octetString(value));
}

/** RFC 5280, 4.2.1.3: bit 0 is the most significant one; DER drops the zeros at the end. */
function keyUsage(bits: number): Uint8Array {
  return bitString(Buffer.of(bits), 31 - Math.clz32(bits & -bits));
}

/** RFC 5280, 4.2.1.6: dNSName is [2], iPAddress is [7] with 4 or 16 octets. */
function alternativeName(name: string): Uint8Array {
  return isIP(name) === 0 ? implicit(2, Buffer.from(name, "ascii")) : implicit(7, addressOctets(name));
}

function addressOctets(address: string): Uint8Array {
  if (isIP(address) === 4) return Buffer.from(address.split(".").map(Number));
  const [head = "", tail] = new SocketAddress({ address, family: "ipv6" }).address.split("::");
  const words = (part: string): number[] =>
    part
      .split(":")
      .filter(Boolean)
      .flatMap((word) => {
        if (!word.includes(".")) return [Number.parseInt(word, 16)];
        const [a = 0, b = 0, c = 0, d = 0] = word.split(".").map(Number);
        return [a * 256 + b, c * 256 + d];
      });
  const [front, back] = [words(head), words(tail ?? "")];
  const zeros = new Array<number>(8 - front.length - back.length).fill(0);
  return Buffer.from([...front, ...zeros, ...back].flatMap((word) => [word >> 8, word & 0xff]));
}

function distinguishedName(commonName: string, organizations: string[]): Uint8Array {
  const attribute = (oid: string, value: string) => set(sequence(objectIdentifier(oid), utf8String(value)));
  return sequence(...organizations.map((name) => attribute("2.5.4.10", name)), attribute("2.5.4.3", commonName));
}

function commonNameOf(certificate: string): string {
  const name = /^CN=(.*)$/m.exec(new X509Certificate(certificate).subject)?.[1];
  if (name === undefined) throw new Error("the certificate authority has no common name");
  return name;
}

function pem(key: KeyObject): string {
  return key.export({ type: "pkcs8", format: "pem" }).toString();
}
