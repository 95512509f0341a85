import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Signer, type Sigstore, startSigstore } from "../../test/bed/cosign/sigstore.ts";
import { uncheckedBundle } from "../../test/bed/cosign/unchecked-bundle.ts";
import { artifactPusher, type PushedReference, pushArtifact, pushManifest } from "../../test/bed/registry/push.ts";
import { type Registry as RunningRegistry, startRegistry } from "../../test/bed/registry/registry.ts";
import { verifyCosign } from "./cosign.ts";
import { keylessTrust } from "./cosign-keyless.ts";
import type { Identity } from "./oidc-identity.ts";
import { openRegistry } from "./registry.ts";
import { parseTrustedRoot } from "./sigstore-trusted-root.ts";

type LogEntry = {
  integratedTime: string;
  canonicalizedBody: string;
  inclusionPromise?: { signedEntryTimestamp: string };
  inclusionProof?: { hashes: string[]; checkpoint: { envelope: string } };
};
type Bundle = {
  mediaType: string;
  verificationMaterial: { certificate: { rawBytes: string }; tlogEntries: LogEntry[] };
  dsseEnvelope: { payload: string; payloadType: string; signatures: { sig: string }[] };
};

const dev: Signer = { issuer: "https://issuer.test", email: "dev@sluice.test" };
const layouts = ["bundle", "legacy"] as const;

describe("signatures without keys", () => {
  let registry: RunningRegistry;
  let sigstore: Sigstore;
  let other: Sigstore;
  let directory: string;

  const artifact = artifactPusher(() => registry);
  const check = async (
    { repository: path, digest }: PushedReference,
    { root = sigstore.trustedRoot, identities = [] }: { root?: Buffer | string; identities?: Identity[] } = {},
  ) => {
    const opened = openRegistry({ repository: { host: registry.address, path }, outbound: {}, insecure: true });
    const trust = await keylessTrust(parseTrustedRoot(Buffer.from(root)), identities);
    await verifyCosign(opened, digest, trust, AbortSignal.timeout(30_000));
  };
  /** The trusted root with some of it replaced. */
  const rootWith = (change: (root: Record<string, { publicKey: object }[]>) => object) => {
    const root = JSON.parse(sigstore.trustedRoot.toString());
    return JSON.stringify({ ...root, ...change(root) });
  };
  const read = async (repository: string, path: string) => {
    const headers = { accept: "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json" };
    return Buffer.from(await (await fetch(`${registry.url}/v2/${repository}/${path}`, { headers })).arrayBuffer());
  };
  const bundleOf = async ({ repository, digest }: PushedReference): Promise<Bundle> => {
    const index = JSON.parse((await read(repository, `manifests/${digest.replace(":", "-")}`)).toString());
    const referrer = JSON.parse((await read(repository, `manifests/${index.manifests[0].digest}`)).toString());
    return JSON.parse((await read(repository, `blobs/${referrer.layers[0].digest}`)).toString());
  };
  /** Makes a bundle the one that refers to an artifact. */
  const refer = async ({ repository, digest }: PushedReference, bundle: unknown) => {
    const target = { url: registry.url, repository };
    const artifactType = "application/vnd.dev.sigstore.bundle.v0.3+json";
    const layers = [{ mediaType: artifactType, content: Buffer.from(JSON.stringify(bundle)) }];
    const referrer = await pushArtifact(target, undefined, { layers });
    const mediaType = "application/vnd.oci.image.index.v1+json";
    const index = { schemaVersion: 2, mediaType, manifests: [{ ...referrer, artifactType }] };
    await pushManifest(target, digest.replace(":", "-"), mediaType, Buffer.from(JSON.stringify(index)));
  };

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "sluice-keyless-"));
    registry = await startRegistry({ directory: join(directory, "registry") });
    sigstore = await startSigstore(join(directory, "one"), console.error);
    other = await startSigstore(join(directory, "other"));
  }, 600_000);
  afterAll(async () => {
    await sigstore?.stop();
    await other?.stop();
    await registry?.stop();
    await rm(directory, { recursive: true, force: true });
  });

  it.each(layouts)(
    "VER-006, VER-007, VER-008: takes a %s as cosign does, of an identity that matches",
    async (layout) => {
      const signed = await artifact();
      await expect(check(signed)).rejects.toThrow("no signatures found");
      await sigstore.sign(dev, layout, signed.reference);
      await sigstore.verify(dev, layout, signed.reference);
      await check(signed);
      const right = { issuer: "^https://issuer\\.test$", subject: "^dev@sluice\\.test$" };
      const wrong = { issuer: "^https://issuer\\.test$", subject: "^ops@sluice\\.test$" };
      await check(signed, { identities: [right] });
      await check(signed, { identities: [wrong, right] });
      // Go's expressions find: they need not match all of it.
      await check(signed, { identities: [{ issuer: "issuer", subject: "sluice" }] });
      for (const identities of [[wrong], [{ ...right, issuer: "^https://other" }], [{ ...right, subject: "^$" }]])
        await expect(check(signed, { identities })).rejects.toThrow(
          "none of the expected identities matched what was in the certificate, got subjects [dev@sluice.test] with issuer https://issuer.test",
        );
    },
  );

  it("VER-008: takes no expression that RE2 does not, nor one that is too large, and is done with hostile ones at once", async () => {
    const signed = await artifact();
    await sigstore.sign({ ...dev, email: `${"a".repeat(60)}@sluice.test` }, "bundle", signed.reference);
    const with_ = (subject: string) => check(signed, { identities: [{ issuer: ".*", subject }] });
    for (const expression of ["(?=a)", "(?<!a)", "(a)\\1", "(", "a{1001}"])
      await expect(with_(expression)).rejects.toThrow("malformed subject in identity");
    await expect(with_("a".repeat(1001))).rejects.toThrow("longer than 1000 characters");
    await expect(with_("((a{100}){10}){10}".repeat(20))).rejects.toThrow("malformed subject in identity");
    const many = Array.from({ length: 101 }, () => ({ issuer: "a", subject: "b" }));
    await expect(check(signed, { identities: many })).rejects.toThrow("more than 100 identities");
    const start = performance.now();
    await expect(with_("^(a+)+$")).rejects.toThrow("none of the expected identities");
    expect(performance.now() - start).toBeLessThan(5_000);
  });

  it.each(layouts)(
    "VER-007, VER-009: takes no %s of another infrastructure, nor of a part of this one that is not trusted",
    async (layout) => {
      const signed = await artifact();
      await sigstore.sign(dev, layout, signed.reference);
      const yesterday = { validFor: { start: "2020-01-01T00:00:00Z", end: "2020-01-02T00:00:00Z" } };
      const foreign = JSON.parse(other.trustedRoot.toString());
      for (const [root, words] of [
        [other.trustedRoot, "no matching signatures"],
        [rootWith(() => ({ certificateAuthorities: foreign.certificateAuthorities })), "certificate"],
        [rootWith(() => ({ tlogs: foreign.tlogs })), "inclusion p"],
        [rootWith(() => ({ ctlogs: foreign.ctlogs })), "SCT"],
        [rootWith(() => ({ ctlogs: [] })), "SCT"],
        [
          rootWith(({ certificateAuthorities = [] }) => ({
            certificateAuthorities: certificateAuthorities.map((one) => ({ ...one, ...yesterday })),
          })),
          "certificate",
        ],
        [
          rootWith(({ tlogs = [] }) => ({
            tlogs: tlogs.map((one) => ({ ...one, publicKey: { ...one.publicKey, ...yesterday } })),
          })),
          "inclusion p",
        ],
      ] as const)
        await expect(check(signed, { root })).rejects.toThrow(words);
    },
  );

  it.each(layouts)("VER-007: takes no %s whose certificate no log has promised to show", async (layout) => {
    const signed = await artifact();
    await sigstore.sign({ ...dev, without: "promise" }, layout, signed.reference);
    await expect(sigstore.verify(dev, layout, signed.reference)).rejects.toThrow("ertificate");
    await expect(check(signed)).rejects.toThrow("expected 1 SCTs, got 0");
  });

  it.each([
    ["purpose", "the certificate is not for signing code"],
    ["validity", "certificate"],
    [undefined, ""],
  ] as const)("VER-007: takes no certificate without its %s", async (without, words) => {
    const signed = await artifact();
    const signer = without === undefined ? dev : { ...dev, without };
    await refer(signed, await uncheckedBundle(sigstore, signer, signed.digest));
    // The same with nothing missing is good: what is refused is what is missing.
    if (without === undefined) await check(signed);
    else await expect(check(signed)).rejects.toThrow(words);
  });

  it("VER-007: takes no bundle that was changed", async () => {
    const signed = await artifact();
    await sigstore.sign(dev, "bundle", signed.reference);
    const good = await bundleOf(signed);
    const changed = async (words: string, change: (bundle: Bundle, entry: LogEntry) => void) => {
      const bundle = structuredClone(good);
      const [first] = bundle.verificationMaterial.tlogEntries;
      if (first === undefined) throw new Error("cosign has logged nothing");
      change(bundle, first);
      await refer(signed, bundle);
      await expect(check(signed)).rejects.toThrow(words);
    };
    await changed("inclusion promise could not be verified", (_, one) => {
      one.integratedTime = String(Number(one.integratedTime) + 1);
    });
    await changed("timestamps, got 0", (_, one) => delete one.inclusionPromise);
    await changed("inclusion proof", (_, one) => {
      if (one.inclusionProof) one.inclusionProof.hashes = [Buffer.alloc(32).toString("base64")];
    });
    await changed("checkpoint", (_, one) => {
      if (one.inclusionProof) one.inclusionProof.checkpoint.envelope = "x\n2\nAA==\n\n\u2014 127.0.0.1 AAAAAAAA\n";
    });
    await changed("an inclusion proof has more than 64 hashes", (_, one) => {
      if (one.inclusionProof) one.inclusionProof.hashes = Array.from({ length: 65 }, () => "AA==");
    });
    await changed("more than 32 log entries", ({ verificationMaterial }, one) => {
      verificationMaterial.tlogEntries = Array.from({ length: 33 }, () => one);
    });
    await changed("duplicate", ({ verificationMaterial }, one) => {
      verificationMaterial.tlogEntries = [one, one];
    });
    await changed("is larger than 524288 bytes", (_, one) => {
      one.canonicalizedBody = Buffer.alloc(600_000).toString("base64");
    });
    await changed("expected 1", ({ verificationMaterial }) => {
      verificationMaterial.tlogEntries = [];
    });
    await changed("no matching signatures", ({ dsseEnvelope }) => {
      const [signature] = dsseEnvelope.signatures;
      if (signature) signature.sig = Buffer.alloc(70, 1).toString("base64");
    });
    await changed("no matching signatures", ({ verificationMaterial }) => {
      const der = Buffer.from(verificationMaterial.certificate.rawBytes, "base64");
      der[der.length - 1] = (der.at(-1) ?? 0) ^ 1;
      verificationMaterial.certificate.rawBytes = der.toString("base64");
    });
    await changed("hold one certificate, and no chain", ({ verificationMaterial }) => {
      Object.assign(verificationMaterial, {
        x509CertificateChain: { certificates: [verificationMaterial.certificate] },
      });
    });
    const another = await artifact();
    await refer(another, good);
    await expect(check(another)).rejects.toThrow("does not match any digest in statement");
    await refer(signed, good);
    await check(signed);
  });

  it("VER-007: takes nothing of the older layout that was changed, or without the log's word", async () => {
    const signed = await artifact();
    await sigstore.sign(dev, "legacy", signed.reference);
    const tag = `${signed.digest.replace(":", "-")}.sig`;
    const manifest = JSON.parse((await read(signed.repository, `manifests/${tag}`)).toString());
    const annotations: Record<string, string> = manifest.layers[0].annotations;
    const changed = async (words: string, change: Record<string, string | undefined>) => {
      const layers = [{ ...manifest.layers[0], annotations: { ...annotations, ...change } }];
      const bytes = Buffer.from(JSON.stringify({ ...manifest, layers }));
      await pushManifest({ url: registry.url, repository: signed.repository }, tag, manifest.mediaType, bytes);
      await expect(check(signed)).rejects.toThrow(words);
    };
    const bundle = JSON.parse(annotations["dev.sigstore.cosign/bundle"] ?? "{}");
    const logged = (Payload: object) => JSON.stringify({ ...bundle, Payload: { ...bundle.Payload, ...Payload } });
    await changed("no bundle of the transparency log", { "dev.sigstore.cosign/bundle": undefined });
    await changed("malformed", { "dev.sigstore.cosign/bundle": "{}" });
    await changed("could not be verified", {
      "dev.sigstore.cosign/bundle": logged({ integratedTime: bundle.Payload.integratedTime + 1 }),
    });
    await changed("could not be verified", { "dev.sigstore.cosign/bundle": logged({ logIndex: 12_345 }) });
    await changed("no certificate found", { "dev.sigstore.cosign/certificate": undefined });
    await changed("cannot be parsed", { "dev.sigstore.cosign/certificate": "x" });
    const stranger = await artifact();
    await other.sign(dev, "legacy", stranger.reference);
    const theirs = JSON.parse(
      (await read(stranger.repository, `manifests/${stranger.digest.replace(":", "-")}.sig`)).toString(),
    );
    const certificate = theirs.layers[0].annotations["dev.sigstore.cosign/certificate"];
    await changed("no matching signatures", { "dev.sigstore.cosign/certificate": certificate });
  });

  it("VER-009: refuses what is no trusted root, and one without a log of use", () => {
    for (const [text, words] of [
      ["", "it is not a JSON object"],
      ["[]", "it is not a JSON object"],
      ["{}", "unsupported TrustedRoot media type"],
      [rootWith(() => ({ tlogs: [{}] })), "unable to parse trusted root"],
      [rootWith(({ ctlogs = [] }) => ({ tlogs: Array.from({ length: 101 }, () => ctlogs[0]) })), "more than 100 logs"],
      [" ".repeat(2 * 1024 * 1024), "is larger than 1048576 bytes"],
    ] as const)
      expect(() => parseTrustedRoot(Buffer.from(text))).toThrow(words);
  });
});
