import { generateKeyPairSync } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { bedPart, uniqueName } from "../../../test/bed/bed.ts";
import { type Cosign, openCosign } from "../../../test/bed/cosign/cosign.ts";
import { type Sigstore, startSigstore } from "../../../test/bed/cosign/sigstore.ts";
import { makeIdentity } from "../../../test/bed/notation/certificate.ts";
import { type Notation, openNotation } from "../../../test/bed/notation/notation.ts";
import { type RegistryFront, startRegistryFront } from "../../../test/bed/registry/front.ts";
import { contentType, type PushTarget, pushArtifact } from "../../../test/bed/registry/push.ts";
import { conditionOf, openWorkspace, type Reconciled, type Workspace } from "../../../test/bed/workspace.ts";
import { createCertificateAuthority, issueCertificate } from "../../platform/local/certificate.ts";

const dev = { issuer: "https://issuer.test", email: "dev@sluice.test" };
const verified = ({ status }: Reconciled) => conditionOf(status, "SourceVerified");

describe("signatures of sources", () => {
  let workspace: Workspace;
  let front: RegistryFront;
  let target: PushTarget;
  let directory: string;
  let cosign: Cosign;
  let notation: Notation;
  let sigstore: Sigstore;
  const keys = new Map<string, Buffer>();
  const root = makeIdentity({ commonName: "root", authority: {} });
  let count = 0;

  const address = () => new URL(target.url).host;
  const push = async (tag = "latest") => {
    count += 1;
    const layer = { mediaType: contentType, content: Buffer.from(`artifact ${count}`) };
    const { digest } = await pushArtifact(target, tag, { layers: [layer] });
    return { digest, revision: `${tag}@${digest}`, reference: `${address()}/${target.repository}@${digest}` };
  };
  const secret = (name: string, data: Record<string, Buffer | string>) =>
    workspace.create({
      apiVersion: "v1",
      kind: "Secret",
      metadata: { name },
      data: Object.fromEntries(
        Object.entries(data).map(([key, value]) => [key, Buffer.from(value).toString("base64")]),
      ),
    });
  const create = (name: string, verify: Record<string, unknown>, spec: Record<string, unknown> = {}) =>
    workspace.create({
      apiVersion: "source.toolkit.fluxcd.io/v1",
      kind: "OCIRepository",
      metadata: { name },
      spec: {
        ...{ url: `oci://${front.address}/${target.repository}`, interval: "1h", insecure: true },
        ...{ layerSelector: { operation: "copy" }, verify, ...spec },
      },
    });
  const until = (name: string, status: "True" | "False", words: string) =>
    workspace.until("OCIRepository", name, (object) => {
      const condition = verified(object);
      return condition?.status === status && condition.message.includes(words);
    });
  const failing = async (name: string, words: string) => {
    const object = await until(name, "False", words);
    expect(verified(object)).toMatchObject({ reason: "VerificationError" });
    return object;
  };
  const again = async (name: string) => {
    const value = await workspace.reconcile("OCIRepository", name);
    return workspace.until("OCIRepository", name, ({ status }) => status?.lastHandledReconcileAt === value);
  };

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "sluice-verified-"));
    workspace = await openWorkspace("verified");
    const registry = await bedPart("registry");
    front = await startRegistryFront(registry.url);
    target = { url: registry.url, repository: uniqueName("team/signed") };
    [cosign, notation, sigstore] = await Promise.all([
      openCosign(),
      openNotation(),
      startSigstore(join(directory, "sigstore")),
    ]);
    for (const name of ["one", "two"]) keys.set(name, await cosign.key(name));
    await secret("one", { "cosign.pub": keys.get("one") ?? "", other: "not a key" });
    await secret("both", { "a.pub": keys.get("two") ?? "", "b.pub": keys.get("one") ?? "" });
    await secret("keyless", { "trusted_root.json": sigstore.trustedRoot });
  }, 900_000);
  afterAll(async () => {
    await front?.stop();
    await sigstore?.stop();
    await cosign?.close();
    await notation?.close();
    await workspace?.close();
    await rm(directory, { recursive: true, force: true });
  });

  it("VER-001, VER-002, VER-003, VER-004, VER-005, VER-006: pulls what a key has signed, and nothing else", async () => {
    const first = await push();
    await create("keyed", { provider: "cosign", secretRef: { name: "one" } });
    const told = `${front.address}/${target.repository}@${first.digest}`;
    const refused = await failing("keyed", "no matching signatures");
    const message = `failed to verify the signature using provider 'cosign': no matching signatures were found for '${told}'`;
    expect(verified(refused)?.message).toBe(message);
    expect(conditionOf(refused.status, "Ready")).toMatchObject({
      status: "False",
      reason: "VerificationError",
      message,
    });
    expect(refused.status?.artifact).toBeUndefined();
    expect(front.requests.some((request) => request.told.includes("/blobs/"))).toBe(false);
    // It is tried again by itself.
    await cosign.sign("one", "legacy", first.reference);
    const object = await until("keyed", "True", first.revision);
    expect(verified(object)).toMatchObject({
      reason: "Succeeded",
      message: `verified signature of revision ${first.revision}`,
    });
    await workspace.untilReady("OCIRepository", "keyed");
    front.requests.length = 0;
    for (let pass = 0; pass < 3; pass++) await again("keyed");
    expect(new Set(front.requests.map((request) => request.told))).toEqual(
      new Set([`HEAD ${target.repository}/manifests/latest`]),
    );
    // What is not signed does not replace what is.
    const second = await push();
    await again("keyed");
    const kept = await failing("keyed", second.digest);
    expect(kept.status?.artifact?.revision).toBe(first.revision);
    await cosign.sign("one", "bundle", second.reference);
    await until("keyed", "True", second.revision);
    // Another generation is verified anew, and without a wish to verify nothing is said.
    await workspace.patch("OCIRepository", "keyed", { spec: { verify: { secretRef: { name: "both" } } } });
    await workspace.until("OCIRepository", "keyed", (one) => verified(one)?.observedGeneration === 2);
    await workspace.patch("OCIRepository", "keyed", { spec: { verify: null } });
    await workspace.until(
      "OCIRepository",
      "keyed",
      (one) => one.status?.observedGeneration === 3 && verified(one) === undefined,
    );
  });

  it("VER-003, VER-005: says what is wrong with a Secret", async () => {
    const { reference, digest } = await push("secrets");
    await cosign.sign("one", "legacy", reference);
    const ref = { ref: { tag: "secrets" } };
    const p384 = generateKeyPairSync("ec", { namedCurve: "secp256k1" }).publicKey.export({
      type: "spki",
      format: "pem",
    });
    await secret("malformed", { "a.pub": "no key" });
    await secret("curve", { "a.pub": p384 });
    await secret("partly", { "a.pub": "no key", "b.pub": keys.get("one") ?? "" });
    await secret("none", { a: "b" });
    await create("missing", { provider: "cosign", secretRef: { name: "absent" } }, ref);
    await create("malformed", { provider: "cosign", secretRef: { name: "malformed" } }, ref);
    await create("curve", { provider: "cosign", secretRef: { name: "curve" } }, ref);
    await create("partly", { provider: "cosign", secretRef: { name: "partly" } }, ref);
    await create("none", { provider: "cosign", secretRef: { name: "none" } }, ref);
    await failing("missing", `using provider 'cosign': secrets "absent" not found`);
    await failing("malformed", "using provider 'cosign': PEM decoding failed");
    await failing("curve", "unsupported public key");
    await failing("none", `no matching signatures were found for '${front.address}/${target.repository}@${digest}'`);
    await until("partly", "True", digest);
  });

  it("VER-007, VER-008, VER-009: trusts an infrastructure of one's own without keys, and one of its identities", async () => {
    const { reference, revision } = await push("keyless");
    await sigstore.sign(dev, "bundle", reference);
    const ref = { ref: { tag: "keyless" } };
    const keyless = (matchOIDCIdentity: unknown, name = "keyless") => ({
      provider: "cosign",
      trustedRootSecretRef: { name },
      matchOIDCIdentity,
    });
    const wrong = { issuer: "^https://other$", subject: ".*" };
    const right = { issuer: "^https://issuer\\.test$", subject: "@sluice\\.test$" };
    await create("matched", keyless([wrong, right]), ref);
    await create("unmatched", keyless([wrong]), ref);
    await create("lookahead", keyless([{ issuer: "(?=a)", subject: ".*" }]), ref);
    await secret("rootless", { root: "{}" });
    await secret("logless", { "trusted_root.json": withoutLogs(sigstore.trustedRoot) });
    await create("rootless", keyless([], "rootless"), ref);
    await create("logless", keyless([], "logless"), ref);
    await until("matched", "True", revision);
    const { namespace } = workspace;
    await failing(
      "unmatched",
      "using provider 'cosign keyless': no matching signatures: none of the expected identities",
    );
    await failing("lookahead", "malformed issuer in identity: (?=a) :");
    await failing("rootless", `'trusted_root.json' not found in secret '${namespace}/rootless'`);
    await failing("logless", "unable to extract Rekor URL from trusted root: no transparency log entries found");
  });

  it("VER-012, VER-014, VER-016: trusts what notation has signed, as the policy says", async () => {
    const { reference, revision, digest } = await push("notation");
    await notation.sign(makeIdentity({ commonName: "dev", issuer: root }), "cose", reference);
    const ref = { ref: { tag: "notation" } };
    const policy = (level: string, identity = "x509.subject: C=US, ST=WA, O=Sluice, CN=dev") =>
      JSON.stringify({
        version: "1.0",
        trustPolicies: [
          {
            ...{ name: "test", registryScopes: ["*"], signatureVerification: { level } },
            ...{ trustStores: ["ca:test"], trustedIdentities: [identity] },
          },
        ],
      });
    const other = "x509.subject: C=US, ST=WA, O=Sluice, CN=other";
    const secrets: Record<string, Record<string, string>> = {
      good: { "trustpolicy.json": policy("strict"), "ca.crt": root.certificate },
      identity: { "trustpolicy.json": policy("strict", other), "ca.pem": root.certificate },
      audit: { "trustpolicy.json": policy("audit", other), "ca.crt": root.certificate },
      skip: { "trustpolicy.json": policy("skip"), "ca.crt": root.certificate },
      policyless: { "ca.crt": root.certificate },
      certless: { "trustpolicy.json": policy("strict"), ca: root.certificate },
      versionless: { "trustpolicy.json": "{}", "ca.crt": root.certificate },
      malformed: { "trustpolicy.json": "{", "ca.crt": root.certificate },
    };
    for (const [name, data] of Object.entries(secrets)) {
      await secret(`notation-${name}`, data);
      await create(`notation-${name}`, { provider: "notation", secretRef: { name: `notation-${name}` } }, ref);
    }
    await create("notation-secretless", { provider: "notation" }, ref);
    await until("notation-good", "True", revision);
    for (const name of ["notation-audit", "notation-skip"])
      expect(verified(await workspace.untilReady("OCIRepository", name))).toBeUndefined();
    const { namespace } = workspace;
    const told = `${front.address}/${target.repository}@${digest}`;
    for (const [name, words] of [
      ["identity", "does not match the X.509 trusted identities"],
      ["policyless", `'trustpolicy.json' not found in secret '${namespace}/notation-policyless'`],
      ["certless", `no certificates found in secret '${namespace}/notation-certless'`],
      ["versionless", "trust policy document has empty version, version must be specified"],
      ["malformed", "error occurred while parsing trustpolicy.json: "],
      ["secretless", `verification secret cannot be empty: '${told}'`],
    ] as const)
      await failing(`notation-${name}`, words);
  });

  it("VER-011: looks for signatures by the object's certificates", async () => {
    const authority = createCertificateAuthority("registry");
    const { certificate, key } = issueCertificate(authority, { names: ["127.0.0.1"] });
    const secure = await startRegistryFront(target.url, { tls: { certificate, key } });
    try {
      const { reference, digest } = await push("secure");
      await cosign.sign("one", "bundle", reference);
      await secret("authority", { "ca.crt": authority.certificate });
      const url = `oci://${secure.address}/${target.repository}`;
      const spec = { url, insecure: false, ref: { tag: "secure" }, certSecretRef: { name: "authority" } };
      await create("secure", { provider: "cosign", secretRef: { name: "one" } }, spec);
      await until("secure", "True", digest);
      expect(secure.requests.some((request) => request.told.includes("/referrers/"))).toBe(true);
    } finally {
      await secure.stop();
    }
  });
});

function withoutLogs(root: Buffer): string {
  return JSON.stringify({ ...JSON.parse(root.toString()), tlogs: [] });
}
