import { generateKeyPairSync, sign, X509Certificate } from "node:crypto";
import { type Signer, type Sigstore, tokenOf } from "./sigstore.ts";

/**
 * A bundle as cosign makes it for the manifest of a digest, but without its own look at what it signs with: cosign makes none with a
 * certificate that it would not take.
 */
export async function uncheckedBundle(sigstore: Sigstore, signer: Signer, digest: string): Promise<unknown> {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const [certificate = ""] = (
    await ask<{ signedCertificateEmbeddedSct: { chain: { certificates: string[] } } }>(
      `${sigstore.url}/api/v2/signingCert`,
      { publicKeyRequest: { publicKey: { content: publicKey.export({ type: "spki", format: "pem" }) } } },
      { authorization: `Bearer ${tokenOf(signer)}` },
    )
  ).signedCertificateEmbeddedSct.chain.certificates;
  const payloadType = "application/vnd.in-toto+json";
  const statement = JSON.stringify({
    _type: "https://in-toto.io/Statement/v1",
    subject: [{ digest: { sha256: digest.replace("sha256:", "") } }],
    predicateType: "https://sigstore.dev/cosign/sign/v1",
    predicate: {},
  });
  const signed = Buffer.from(`DSSEv1 ${payloadType.length} ${payloadType} ${statement.length} ${statement}`);
  const sig = sign("sha256", signed, privateKey).toString("base64");
  const dsseEnvelope = { payload: Buffer.from(statement).toString("base64"), payloadType, signatures: [{ sig }] };
  const proposedContent = {
    envelope: JSON.stringify(dsseEnvelope),
    verifiers: [Buffer.from(certificate).toString("base64")],
  };
  const entries = await ask<Record<string, Logged>>(`${sigstore.url}/api/v1/log/entries`, {
    ...{ apiVersion: "0.0.1", kind: "dsse" },
    spec: { proposedContent },
  });
  const [entry] = Object.values(entries);
  if (entry === undefined) throw new Error("the log has no entry");
  return {
    mediaType: "application/vnd.dev.sigstore.bundle.v0.3+json",
    verificationMaterial: {
      certificate: { rawBytes: new X509Certificate(certificate).raw.toString("base64") },
      tlogEntries: [
        {
          logIndex: String(entry.logIndex),
          logId: { keyId: Buffer.from(entry.logID, "hex").toString("base64") },
          kindVersion: { kind: "dsse", version: "0.0.1" },
          integratedTime: String(entry.integratedTime),
          inclusionPromise: { signedEntryTimestamp: entry.verification.signedEntryTimestamp },
          inclusionProof: proofOf(entry),
          canonicalizedBody: entry.body,
        },
      ],
    },
    dsseEnvelope,
  };
}

type Logged = {
  body: string;
  integratedTime: number;
  logIndex: number;
  logID: string;
  verification: {
    signedEntryTimestamp: string;
    inclusionProof: { logIndex: number; treeSize: number; rootHash: string; hashes: string[]; checkpoint: string };
  };
};

/** The log writes hashes in hex, a bundle in base64. */
function proofOf({ verification }: Logged) {
  const { logIndex, treeSize, rootHash, hashes, checkpoint } = verification.inclusionProof;
  const encoded = (hex: string) => Buffer.from(hex, "hex").toString("base64");
  return {
    logIndex: String(logIndex),
    treeSize: String(treeSize),
    rootHash: encoded(rootHash),
    hashes: hashes.map(encoded),
    checkpoint: { envelope: checkpoint },
  };
}

async function ask<T>(url: string, body: unknown, headers: Record<string, string> = {}): Promise<T> {
  const response = await fetch(url, {
    method: "POST",
    body: JSON.stringify(body),
    headers: { "content-type": "application/json", ...headers },
    signal: AbortSignal.timeout(10_000),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${url}: ${response.status} ${text}`);
  return JSON.parse(text);
}
