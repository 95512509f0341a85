import { generateKeyPairSync, sign } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Cosign, openCosign } from "../../test/bed/cosign/cosign.ts";
import { type RegistryFront, startRegistryFront } from "../../test/bed/registry/front.ts";
import { artifactPusher, digestOf, pushArtifact, pushBlob, pushManifest } from "../../test/bed/registry/push.ts";
import { type Registry as RunningRegistry, startRegistry } from "../../test/bed/registry/registry.ts";
import { keyTrust, verifyCosign } from "./cosign.ts";
import { parsePublicKey } from "./cosign-key.ts";
import { openRegistry } from "./registry.ts";

const manifestType = "application/vnd.oci.image.manifest.v1+json";
const indexType = "application/vnd.oci.image.index.v1+json";
const bundleType = "application/vnd.dev.sigstore.bundle.v0.3+json";

describe("cosign's signatures", () => {
  let registry: RunningRegistry;
  let front: RegistryFront;
  let cosign: Cosign;
  let directory: string;
  const keys = new Map<string, Buffer>();
  const pairs = {
    ec: generateKeyPairSync("ec", { namedCurve: "P-384" }).privateKey,
    rsa: generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey,
    ed25519: generateKeyPairSync("ed25519").privateKey,
  };

  const target = (repository: string) => ({ url: registry.url, repository });
  const artifact = artifactPusher(() => registry);
  const check = ({ repository, digest }: { repository: string; digest: string }, ...names: string[]) => {
    const [host = "", path = ""] = [front.address, repository];
    const opened = openRegistry({ repository: { host, path }, outbound: {}, insecure: true });
    const trusted = names.map((name) => parsePublicKey(keys.get(name) ?? Buffer.alloc(0)));
    return verifyCosign(opened, digest, keyTrust(trusted), AbortSignal.timeout(30_000));
  };
  const read = async (repository: string, path: string) => {
    const headers = { accept: `${manifestType}, ${indexType}` };
    return Buffer.from(await (await fetch(`${registry.url}/v2/${repository}/${path}`, { headers })).arrayBuffer());
  };

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "sluice-signed-"));
    cosign = await openCosign();
    registry = await startRegistry({ directory });
    front = await startRegistryFront(registry.url);
    keys.set("cosign", await cosign.key("cosign"));
    keys.set("other", await cosign.key("other"));
    for (const type of ["ec", "rsa", "ed25519"] as const)
      keys.set(type, await cosign.key(type, pairs[type].export({ type: "pkcs8", format: "pem" }).toString()));
  });
  afterAll(async () => {
    await front?.stop();
    await registry?.stop();
    await cosign?.close();
    await rm(directory, { recursive: true, force: true });
  });

  it.each(["bundle", "legacy"] as const)(
    "VER-005, VER-006: takes a %s of a trusted key, of two keys too",
    async (layout) => {
      const signed = await artifact();
      await expect(check(signed, "cosign")).rejects.toThrow("no signatures found");
      await cosign.sign("cosign", layout, signed.reference);
      await check(signed, "cosign");
      await check(signed, "other", "cosign");
      await expect(check(signed, "other")).rejects.toThrow(
        "no matching signatures: the signature is not of a trusted key",
      );
      // Rotated: both signatures are there, either key will do.
      await cosign.sign("other", layout, signed.reference);
      await check(signed, "cosign");
      await check(signed, "other");
    },
  );

  it.each([
    ["rsa", "bundle"],
    ["rsa", "legacy"],
    ["ec", "bundle"],
    ["ec", "legacy"],
  ] as const)("VER-005: takes a signature of an %s key as a %s", async (type, layout) => {
    const signed = await artifact();
    await cosign.sign(type, layout, signed.reference);
    await check(signed, type);
    await expect(check(signed, "other")).rejects.toThrow("no matching signatures");
  });

  it("VER-005: takes a signature of an Ed25519 key, and of a larger curve by SHA-256, as cosign itself does", async () => {
    for (const [name, key] of [
      ["ed25519", pairs.ed25519],
      ["ec", pairs.ec],
    ] as const) {
      const signed = await artifact();
      const payload = await cosign.run("generate", signed.reference);
      const signature = sign(name === "ec" ? "sha256" : null, Buffer.from(payload), key).toString("base64");
      await cosign.attach(signed.reference, payload, signature);
      const by = [`--key=${name}.pub`, "--insecure-ignore-tlog", "--new-bundle-format=false"];
      await cosign.run("verify", ...by, signed.reference);
      await check(signed, name);
      await expect(check(signed, "cosign")).rejects.toThrow("no matching signatures");
    }
  });

  it("VER-006: finds bundles by the referrers API", async () => {
    const signed = await artifact();
    await cosign.sign("cosign", "bundle", signed.reference);
    const index = await read(signed.repository, `manifests/${signed.digest.replace(":", "-")}`);
    front.requests.length = 0;
    front.intercept = (request, response) => {
      if (request.url?.includes("/referrers/") !== true) return false;
      response.writeHead(200, { "content-type": indexType }).end(index);
      return true;
    };
    try {
      await check(signed, "cosign");
    } finally {
      front.intercept = () => false;
    }
    expect(front.requests.map(({ told }) => told).join()).not.toContain("manifests/sha256-");
  });

  it("VER-005, VER-006: takes no signature of another artifact, in neither layout, however it is put there", async () => {
    const [signed, other] = [await artifact(), await artifact()];
    await cosign.sign("cosign", "bundle", signed.reference);
    await cosign.sign("cosign", "legacy", signed.reference);
    const tag = (digest: string) => digest.replace(":", "-");
    const { layers } = JSON.parse((await read(signed.repository, `manifests/${tag(signed.digest)}.sig`)).toString());
    const payload = await read(signed.repository, `blobs/${layers[0].digest}`);
    await pushBlob(target(other.repository), { mediaType: layers[0].mediaType, content: payload });
    const { digest: config, size } = await pushBlob(target(other.repository), {
      mediaType: "text/plain",
      content: Buffer.from("{}"),
    });
    const copied = {
      schemaVersion: 2,
      mediaType: manifestType,
      config: { mediaType: "text/plain", digest: config, size },
      layers,
    };
    await pushManifest(
      target(other.repository),
      `${tag(other.digest)}.sig`,
      manifestType,
      Buffer.from(JSON.stringify(copied)),
    );
    await expect(check(other, "cosign")).rejects.toThrow(`speaks of another digest than ${other.digest}`);
    const index = JSON.parse((await read(signed.repository, `manifests/${tag(signed.digest)}`)).toString());
    const referrer = JSON.parse((await read(signed.repository, `manifests/${index.manifests[0].digest}`)).toString());
    const bundle = await read(signed.repository, `blobs/${referrer.layers[0].digest}`);
    await refer(other, bundle);
    await expect(check(other, "cosign")).rejects.toThrow(`provided artifact digest ${other.digest} does not match`);
    // Nor a bundle that was changed to speak of it.
    const changed = JSON.parse(bundle.toString());
    const statement = Buffer.from(changed.dsseEnvelope.payload, "base64").toString();
    const text = statement.replaceAll(signed.digest.slice(7), other.digest.slice(7));
    expect(text).not.toBe(statement);
    changed.dsseEnvelope.payload = Buffer.from(text).toString("base64");
    await refer(other, Buffer.from(JSON.stringify(changed)));
    await expect(check(other, "cosign")).rejects.toThrow("the signature is not of a trusted key");
  });

  it("VER-006: an attestation of somebody else hides no signature in the older layout", async () => {
    const signed = await artifact();
    await cosign.sign("other", "bundle", signed.reference);
    await cosign.sign("cosign", "legacy", signed.reference);
    await check(signed, "cosign");
  });

  it("VER-005: refuses what is no bundle, and what is too large or too much, within bounds", async () => {
    const signed = await artifact();
    for (const text of ["{}", "[]", "null", '"', '{"mediaType":1}']) await refer(signed, Buffer.from(text));
    await expect(check(signed, "cosign")).rejects.toThrow("no signatures found");
    const bundle = (envelope: unknown) =>
      Buffer.from(JSON.stringify({ mediaType: bundleType, dsseEnvelope: envelope }));
    await refer(signed, bundle({ payloadType: "application/vnd.in-toto+json", payload: "e30=", signatures: [] }));
    await expect(check(signed, "cosign")).rejects.toThrow("must have a payload and one signature");
    await refer(signed, bundle({ payloadType: "text/plain", payload: "e30=", signatures: [{ sig: "AAAA" }] }));
    await expect(check(signed, "cosign")).rejects.toThrow("holds no in-toto statement");
    await refer(signed, Buffer.alloc(17 * 1024 * 1024, " "));
    await expect(check(signed, "cosign")).rejects.toThrow("is larger than 16777216 bytes");
    const many = Array.from({ length: 101 }, (_, index) => ({
      mediaType: manifestType,
      digest: digestOf(`${index}`),
      size: 1,
    }));
    const index = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: indexType, manifests: many }));
    front.intercept = (request, response) => {
      if (request.url?.includes("/referrers/") !== true) return false;
      response.writeHead(200, { "content-type": indexType }).end(index);
      return true;
    };
    try {
      await expect(check(signed, "cosign")).rejects.toThrow("has more than 100 signatures");
    } finally {
      front.intercept = () => false;
    }
  });

  /** Makes bytes the one bundle that refers to an artifact, by the tag that stands in for the API. */
  async function refer({ repository, digest }: { repository: string; digest: string }, bundle: Buffer): Promise<void> {
    const layers = [{ mediaType: bundleType, content: bundle }];
    const referrer = await pushArtifact(target(repository), undefined, { layers });
    const index = { schemaVersion: 2, mediaType: indexType, manifests: [{ ...referrer, artifactType: bundleType }] };
    await pushManifest(target(repository), digest.replace(":", "-"), indexType, Buffer.from(JSON.stringify(index)));
  }
});
