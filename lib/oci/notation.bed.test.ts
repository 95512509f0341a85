import { X509Certificate } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Sigstore, startSigstore } from "../../test/bed/cosign/sigstore.ts";
import {
  type CertificateWish,
  listAt,
  makeIdentity,
  makeRevocationList,
  type NotationIdentity,
} from "../../test/bed/notation/certificate.ts";
import { type Notation, openNotation } from "../../test/bed/notation/notation.ts";
import { artifactPusher, type PushedReference, pushBlob, pushManifest } from "../../test/bed/registry/push.ts";
import { type Registry as RunningRegistry, startRegistry } from "../../test/bed/registry/registry.ts";
import { verifyNotation } from "./notation.ts";
import { parseCose } from "./notation-cose.ts";
import { parseJws } from "./notation-envelope.ts";
import { parseTrustPolicy } from "./notation-policy.ts";
import { openRegistry } from "./registry.ts";
import { verifyTimestamp } from "./timestamp-token.ts";
import { VerificationError } from "./verification-error.ts";

describe("notation's signatures", () => {
  let registry: RunningRegistry;
  let notation: Notation;
  let sigstore: Sigstore;
  let directory: string;
  const logged: string[] = [];
  const authority = makeIdentity({ commonName: "root", authority: {} });
  const middle = makeIdentity({ commonName: "middle", issuer: authority, authority: { pathLength: 0 } });
  const leaf = (wish: Partial<CertificateWish> = {}) => makeIdentity({ commonName: "dev", issuer: middle, ...wish });

  const artifact = artifactPusher(() => registry);
  const statement = (more: Record<string, unknown> = {}, verification: Record<string, unknown> = {}) => ({
    version: "1.0",
    trustPolicies: [
      {
        name: "test",
        registryScopes: ["*"],
        signatureVerification: { level: "strict", ...verification },
        trustStores: ["ca:test"],
        trustedIdentities: ["x509.subject: C=US, ST=WA, O=Sluice, CN=dev"],
        ...more,
      },
    ],
  });
  const check = (
    { repository: path, digest }: PushedReference,
    policy: unknown,
    certificates = [authority.certificate],
    days = 0,
  ) => {
    const opened = openRegistry({ repository: { host: registry.address, path }, outbound: {}, insecure: true });
    logged.length = 0;
    const log = (words: string) => void logged.push(words);
    const statements = parseTrustPolicy(Buffer.from(JSON.stringify(policy)), log);
    const now = Date.now() + days * 24 * 60 * 60 * 1000;
    const trust = { statements, certificates: certificates.map((text) => Buffer.from(text)), now, log };
    return verifyNotation(opened, digest, trust, AbortSignal.timeout(30_000));
  };
  const signed = async (identity: NotationIdentity, format: "jws" | "cose" = "jws", ...args: string[]) => {
    const made = await artifact();
    await notation.sign(identity, format, made.reference, ...args);
    return made;
  };

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "sluice-notation-signed-"));
    [notation, registry, sigstore] = await Promise.all([
      openNotation(),
      startRegistry({ directory: join(directory, "registry") }),
      startSigstore(join(directory, "sigstore"), console.error),
    ]);
  }, 600_000);
  afterAll(async () => {
    await registry?.stop();
    await sigstore?.stop();
    await notation?.close();
    await rm(directory, { recursive: true, force: true });
  });

  it.each([
    ["jws", "P-256"],
    ["cose", "P-384"],
    ["jws", "P-521"],
    ["cose", 2048],
    ["jws", 3072],
  ] as const)("VER-013, VER-015: takes a signature in %s of a key of %s, as notation does", async (format, key) => {
    const made = await signed(leaf({ key }), format);
    await notation.verify(statement(), [authority.certificate], made.reference);
    expect(await check(made, statement())).toBe(true);
    const other = makeIdentity({ commonName: "root", authority: {} });
    expect(
      await check(made, statement({ trustStores: ["ca:one", "ca:two"] }), [other.certificate, middle.certificate]),
    ).toBe(true);
    await expect(check(made, statement(), [other.certificate])).rejects.toThrow(
      "the signature's certificate chain does not contain any trusted certificate",
    );
  });

  it("VER-014: each level on a right and a wrong identity, and what is not signed", async () => {
    const made = await signed(leaf());
    const wrong = ["x509.subject: C=US, ST=WA, O=Sluice, CN=other"];
    const none = await artifact();
    for (const level of ["strict", "permissive"]) {
      expect(await check(made, statement({}, { level }))).toBe(true);
      await expect(check(made, statement({ trustedIdentities: wrong }, { level }))).rejects.toThrow(
        `signing certificate from the digital signature does not match the X.509 trusted identities [map["C":"US" "CN":"other" "O":"Sluice" "ST":"WA"]] defined in the trust policy "test"`,
      );
    }
    expect(await check(made, statement({}, { level: "audit" }))).toBe(true);
    expect(await check(made, statement({ trustedIdentities: wrong }, { level: "audit" }))).toBe(false);
    expect(logged.join()).toContain("verification check for type 'authenticity' failed");
    for (const level of ["strict", "permissive", "audit"])
      await expect(check(none, statement({}, { level }))).rejects.toThrow("no signature is associated with");
    expect(await check(none, statement({}, { level: "skip" }))).toBe(false);
    expect(logged).toEqual([
      "warning: trust policy statement 'test' is set to skip signature verification but configured with trust stores and/or trusted identities. Ignoring trust stores and trusted identities",
    ]);
    expect(await check(made, statement({ trustedIdentities: ["*"] }))).toBe(true);
  });

  it("VER-014: a signature or a chain that has expired fails where that is enforced", async () => {
    const made = await signed(leaf({ days: { from: -1, to: 10 } }), "cose", "--expiry=24h");
    expect(await check(made, statement())).toBe(true);
    await expect(check(made, statement(), undefined, 2)).rejects.toThrow("digital signature has expired on");
    expect(await check(made, statement({}, { level: "permissive" }), undefined, 2)).toBe(true);
    const log = { override: { expiry: "log" } };
    await expect(check(made, statement({}, log), undefined, 20)).rejects.toThrow(
      "verification time is after certificate",
    );
    await expect(check(made, statement({}, log), undefined, -20)).rejects.toThrow(
      "verification time is before certificate",
    );
    expect(
      await check(made, statement({}, { override: { expiry: "log", authenticTimestamp: "log" } }), undefined, 20),
    ).toBe(true);
  });

  it.each(["jws", "cose"] as const)(
    "VER-013, VER-014: takes a timestamp in %s for what was signed in time",
    async (format) => {
      const { url, file, certificate } = sigstore.clock;
      const stamping = [`--timestamp-url=${url}`, `--timestamp-root-cert=${file}`];
      const identity = leaf({ days: { from: -1, to: 10 } });
      const [plain, made] = [await signed(identity, format), await signed(identity, format, ...stamping)];
      const stores = { trustStores: ["ca:test", "tsa:test"] };
      const both = [authority.certificate, certificate];
      const after = { verifyTimestamp: "afterCertExpiry" };
      expect(await check(made, statement(stores), both, 20)).toBe(true);
      expect(await check(made, statement(stores, after), both, 20)).toBe(true);
      await expect(check(made, statement(), both, 20)).rejects.toThrow("verification time is after certificate");
      await expect(check(made, statement(stores), [authority.certificate])).rejects.toThrow(
        "its certificate is not of a trusted authority",
      );
      await expect(check(plain, statement(stores), both)).rejects.toThrow("no timestamp countersignature was found");
      expect(await check(plain, statement(stores, after), both)).toBe(true);
      await expect(check(plain, statement(stores, after), both, 20)).rejects.toThrow("no timestamp countersignature");
      const { blob } = await signatureOf(made);
      const { timestamp = Buffer.alloc(0), signature } = format === "jws" ? parseJws(blob) : parseCose(blob);
      const trusted = [new X509Certificate(certificate)];
      const { earliest, latest } = verifyTimestamp(timestamp, signature, trusted);
      expect(latest - earliest).toBe(2_000);
      expect(Math.abs(Date.now() - earliest)).toBeLessThan(60_000);
      expect(() => verifyTimestamp(timestamp, Buffer.from("other"), trusted)).toThrow("mismatched message");
      for (let at = 0; at < timestamp.length; at++) {
        const changed = Buffer.from(timestamp);
        changed[at] = (changed[at] ?? 0) ^ 1;
        let said: number | undefined;
        try {
          said = verifyTimestamp(changed, signature, trusted).earliest;
        } catch (error) {
          expect(error).toBeInstanceOf(VerificationError);
        }
        // Not all of a token is signed, but all that it says is.
        if (said !== undefined) expect(said).toBe(earliest);
      }
    },
  );

  it("VER-014: asks for the lists of revoked certificates, and enforces, logs or skips what they say", async () => {
    const lister = makeIdentity({ commonName: "lister", issuer: authority, authority: {} });
    let answer: { status: number; body: Buffer } = { status: 404, body: Buffer.alloc(0) };
    const server = createServer((_, response) => response.writeHead(answer.status).end(answer.body));
    await once(server.listen(0, "127.0.0.1"), "listening");
    const place = server.address();
    const url = `http://127.0.0.1:${typeof place === "object" ? place?.port : ""}/list.crl`;
    try {
      const identity = leaf({ issuer: lister, more: [listAt(url)] });
      const made = await signed(identity);
      const list = (revoked: NotationIdentity[]) => {
        answer = { status: 200, body: makeRevocationList(lister, revoked) };
      };
      const lax = { override: { revocation: "log" } };
      await expect(check(made, statement())).rejects.toThrow("revocation status is unknown");
      expect(await check(made, statement({}, lax))).toBe(true);
      expect(logged.join()).toContain("the server answers 404");
      list([leaf()]);
      expect(await check(made, statement())).toBe(true);
      await notation.verify(statement(), [authority.certificate], made.reference);
      list([leaf(), identity]);
      await expect(check(made, statement())).rejects.toThrow(/signing certificate with subject .* is revoked/);
      await expect(notation.verify(statement(), [authority.certificate], made.reference)).rejects.toThrow();
      expect(await check(made, statement({}, { level: "permissive" }))).toBe(true);
      expect(logged.join()).toContain("verification check for type 'revocation' failed");
      expect(await check(made, statement({}, { override: { revocation: "skip" } }))).toBe(true);
      answer = { status: 200, body: Buffer.alloc(9 * 1024 * 1024) };
      await expect(check(made, statement())).rejects.toThrow("revocation status is unknown");
    } finally {
      server.closeAllConnections();
      server.close();
    }
  });

  it("VER-013: tries three signatures, of which one suffices", async () => {
    const made = await artifact();
    const stranger = makeIdentity({ commonName: "stranger" });
    await notation.sign(stranger, "jws", made.reference);
    await notation.sign(leaf(), "jws", made.reference);
    expect(await check(made, statement())).toBe(true);
    const crowded = await artifact();
    for (let index = 0; index < 3; index++)
      await notation.sign(makeIdentity({ commonName: "x" }), "jws", crowded.reference);
    await notation.sign(leaf(), "jws", crowded.reference);
    const tried = await check(crowded, statement()).then(
      () => "verified",
      (error: Error) => error.message,
    );
    // A registry may list the newest first.
    if (tried !== "verified")
      expect(tried).toContain("The configured limit of 3 signatures to verify per artifact exceeded");
  });

  it("VER-012: the scopes of a policy decide which statement applies", async () => {
    const made = await signed(leaf());
    const scope = `${registry.address}/${made.repository}`;
    expect(await check(made, statement({ registryScopes: [scope] }))).toBe(true);
    await expect(check(made, statement({ registryScopes: [`${scope}-other`] }))).rejects.toThrow(
      "has no applicable trust policy statement",
    );
  });

  it("VER-012, VER-015: takes nothing that was changed, moved, or is no envelope", async () => {
    for (const format of ["jws", "cose"] as const) {
      const made = await signed(leaf(), format);
      const { manifest, blob } = await signatureOf(made);
      const other = await artifact();
      await refer(other, manifest, blob);
      await expect(check(other, statement())).rejects.toThrow("content descriptor mismatch");
      // Every byte of it is signed, or is the chain: half of it changed is no signature.
      for (const at of [0.05, 0.3, 0.6, 0.9]) {
        const changed = Buffer.from(blob);
        const index = Math.floor(changed.length * at);
        changed[index] = (changed[index] ?? 0) ^ 1;
        await refer(other, manifest, changed);
        await expect(check(other, statement())).rejects.toThrow("signature verification failed");
      }
      for (const text of ["{}", "", "[".repeat(100_000), '{"payload":"","protected":"e30","signature":""}']) {
        await refer(other, manifest, Buffer.from(text));
        await expect(check(other, statement())).rejects.toThrow("signature verification failed");
      }
      await refer(other, manifest, Buffer.alloc(2 * 1024 * 1024, 0x81));
      await expect(check(other, statement())).rejects.toThrow("is larger than 1048576 bytes");
    }
  });

  type Manifest = { config: unknown; layers: { mediaType: string; digest: string }[] };
  async function signatureOf({ repository, digest }: PushedReference): Promise<{ manifest: Manifest; blob: Buffer }> {
    const get = async (path: string) => {
      const headers = { accept: "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json" };
      return Buffer.from(await (await fetch(`${registry.url}/v2/${repository}/${path}`, { headers })).arrayBuffer());
    };
    const index = JSON.parse((await get(`manifests/${digest.replace(":", "-")}`)).toString());
    const manifest: Manifest = JSON.parse((await get(`manifests/${index.manifests[0].digest}`)).toString());
    return { manifest, blob: await get(`blobs/${manifest.layers[0]?.digest}`) };
  }

  /** Makes bytes the one signature that refers to an artifact. */
  async function refer({ repository, digest }: PushedReference, { layers }: Manifest, blob: Buffer): Promise<void> {
    const target = { url: registry.url, repository };
    const layer = await pushBlob(target, { mediaType: layers[0]?.mediaType ?? "", content: blob });
    const config = await pushBlob(target, {
      mediaType: "application/vnd.oci.empty.v1+json",
      content: Buffer.from("{}"),
    });
    const mediaType = "application/vnd.oci.image.manifest.v1+json";
    const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType, config, layers: [layer] }));
    const referrer = await pushManifest(target, undefined, mediaType, bytes);
    const index = {
      schemaVersion: 2,
      mediaType: "application/vnd.oci.image.index.v1+json",
      manifests: [{ ...referrer, artifactType: "application/vnd.cncf.notary.signature" }],
    };
    await pushManifest(target, digest.replace(":", "-"), index.mediaType, Buffer.from(JSON.stringify(index)));
  }
});
