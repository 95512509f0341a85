import { createPrivateKey, randomUUID } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SignJWT } from "jose";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { bedPart, uniqueName } from "../../test/bed/bed.ts";
import { startRegistryFront } from "../../test/bed/registry/front.ts";
import { contentType, digestOf, pushArtifact } from "../../test/bed/registry/push.ts";
import { type Registry as Running, registryUser, startRegistry } from "../../test/bed/registry/registry.ts";
import { createCertificateAuthority, issueCertificate } from "../platform/local/certificate.ts";
import type { RegistryCredentials } from "./authentication.ts";
import { openRegistry, type Registry } from "./registry.ts";
import type { RegistryError } from "./registry-error.ts";

const signal = AbortSignal.timeout(120_000);
const authority = createCertificateAuthority("registries of the test bed");
const tls = issueCertificate(authority, { names: ["127.0.0.1"] });
const layers = [{ mediaType: contentType, content: Buffer.from("content") }];

let directory: string;
let secured: Running;
const stops: (() => Promise<void>)[] = [];

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "sluice-registries-"));
  secured = await startRegistry({ directory: join(directory, "basic"), tls, auth: "basic" });
  stops.push(secured.stop);
}, 900_000);
afterAll(async () => {
  await Promise.all(stops.map((stop) => stop()));
  await rm(directory, { recursive: true, force: true });
});

function open(address: string, path: string, credentials?: RegistryCredentials, certificateAuthority = ""): Registry {
  return openRegistry({
    repository: { host: address, path },
    outbound: certificateAuthority === "" ? {} : { tls: { certificateAuthority } },
    ...(credentials === undefined ? {} : { credentials }),
  });
}

const refused = (work: Promise<unknown>): Promise<RegistryError> =>
  work.then(
    () => Promise.reject(new Error("it was not refused")),
    (error: RegistryError) => error,
  );

describe("a registry with users", () => {
  it("OCI-017, OCI-021, OCI-023, SEC-003, SEC-012: lets in who has the password, over TLS that is checked", async () => {
    const pushed = await pushArtifact({ ...secured, repository: "org/app", user: registryUser }, "v1", { layers });
    const own = open(secured.address, "org/app", registryUser, authority.certificate);
    expect(await own.resolve("v1", signal)).toEqual(pushed);
    const { bytes } = await own.manifest(pushed.digest, signal);
    expect(digestOf(bytes)).toBe(pushed.digest);
    const blob = await own.blob(digestOf("content"), 1000, signal);
    expect(blob.whole()?.toString()).toBe("content");
    blob.close();
    const wrong = { username: "puller", password: "c4n4ry" };
    const error = await refused(open(secured.address, "org/app", wrong, authority.certificate).resolve("v1", signal));
    expect(error.status).toBe(401);
    expect(error.message).toMatch(
      /^GET https:\/\/\S+\/v2\/org\/app\/manifests\/v1: UNAUTHORIZED: authentication required/,
    );
    expect(error.message).not.toContain("c4n4ry");
    const untrusted = await refused(open(secured.address, "org/app", registryUser).resolve("v1", signal));
    expect(untrusted.message).toContain("certificate signed by unknown authority");
  });

  it("OCI-022: a certificate that nobody vouches for is no reason to speak without TLS", async () => {
    const front = await startRegistryFront(undefined, { tls });
    stops.push(front.stop);
    const registry = openRegistry({ repository: { host: front.address, path: "a" }, outbound: {}, insecure: true });
    expect((await refused(registry.resolve("v1", signal))).message).toContain("unknown authority");
    expect(front.requests).toEqual([]);
    const blind = { repository: { host: front.address, path: "a" }, outbound: { skipVerification: true } };
    expect((await refused(openRegistry(blind).resolve("v1", signal))).status).toBe(404);
  });
});

describe("a registry with a token service", () => {
  let registry: Running;
  let seen: { method: string; authorization: string; query: string; body: string }[];
  let answers: boolean;

  beforeAll(async () => {
    const pair = issueCertificate(authority, { names: ["tokens"] });
    seen = [];
    answers = true;
    const service = createServer({ cert: tls.certificate, key: tls.key }, async (request, response) => {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk);
      const { searchParams } = new URL(request.url ?? "", "https://tokens");
      const body = Buffer.concat(chunks).toString();
      const { method = "", headers } = request;
      seen.push({ method, authorization: headers.authorization ?? "", query: searchParams.toString(), body });
      if (!answers) return void response.writeHead(401).end("no");
      const scope = searchParams.get("scope") ?? new URLSearchParams(body).get("scope") ?? "";
      response.end(JSON.stringify({ token: await sign(scope, pair) }));
    });
    service.listen(0, "127.0.0.1");
    await once(service, "listening");
    stops.push(async () => void service.close());
    const address = service.address();
    const realm = `https://127.0.0.1:${typeof address === "object" ? address?.port : 0}/token`;
    const auth = { realm, service: "registry", issuer: "tokens", certificate: pair.certificate };
    registry = await startRegistry({ directory: join(directory, "token"), tls, auth });
    stops.push(registry.stop);
  });

  async function sign(scope: string, pair: { certificate: string; key: string }): Promise<string> {
    const key = createPrivateKey(pair.key);
    const [, der = ""] = /-----BEGIN CERTIFICATE-----([^-]+)-----END/.exec(pair.certificate) ?? [];
    const [type = "", name = "", actions = ""] = scope.split(":");
    const algorithm = key.asymmetricKeyType === "rsa" ? "RS256" : "ES256";
    return new SignJWT({ access: [{ type, name, actions: actions.split(",") }] })
      .setProtectedHeader({ alg: algorithm, typ: "JWT", x5c: [der.replaceAll(/\s/g, "")] })
      .setIssuer("tokens")
      .setAudience("registry")
      .setSubject("someone")
      .setJti(randomUUID())
      .setIssuedAt()
      .setNotBefore("-1m")
      .setExpirationTime("5m")
      .sign(key);
  }

  it("OCI-017: takes a token for what is asked, by a password, an identity token or for nobody in particular", async () => {
    const by = async (credentials?: RegistryCredentials) => {
      seen.length = 0;
      const client = open(registry.address, "org/app", credentials, authority.certificate);
      const error = await refused(client.resolve("v1", signal));
      expect(error.message).toContain("MANIFEST_UNKNOWN");
      expect(seen).toHaveLength(1);
      return seen[0];
    };
    expect(await by()).toMatchObject({ method: "GET", authorization: "" });
    const basic = `Basic ${Buffer.from("a:b").toString("base64")}`;
    const query = new URLSearchParams({ service: "registry", scope: "repository:org/app:pull" }).toString();
    expect(await by({ username: "a", password: "b" })).toMatchObject({ method: "GET", authorization: basic, query });
    const form = await by({ identityToken: "c4n4ry" });
    expect(form?.authorization).toBe("");
    expect(Object.fromEntries(new URLSearchParams(form?.body))).toMatchObject({
      ...{
        grant_type: "refresh_token",
        refresh_token: "c4n4ry",
        service: "registry",
        scope: "repository:org/app:pull",
      },
    });
    answers = false;
    const client = open(registry.address, "org/app", { username: "a", password: "c4n4ry" }, authority.certificate);
    const error = await refused(client.resolve("v1", signal));
    answers = true;
    expect(error).toMatchObject({ status: 401 });
    expect(error.message).toMatch(
      /^GET https:\/\/127\.0\.0\.1:\d+\/token: unexpected status code 401 Unauthorized: no$/,
    );
  });
});

describe("tags of a registry", () => {
  it("OCI-004: lists all pages", async () => {
    const { url, address } = await bedPart("registry");
    const path = uniqueName("many");
    const pushed = await pushArtifact({ url, repository: path }, undefined, { layers });
    const { bytes } = await open(address, path).manifest(pushed.digest, signal);
    const put = (tag: string) =>
      fetch(`${url}/v2/${path}/manifests/${tag}`, {
        ...{ method: "PUT", body: new Uint8Array(bytes), headers: { "content-type": pushed.mediaType } },
      });
    const tags = Array.from({ length: 1100 }, (_, index) => `1.0.${index}`);
    for (let at = 0; at < tags.length; at += 50) await Promise.all(tags.slice(at, at + 50).map(put));
    expect((await open(address, path).tags(signal)).sort()).toEqual(tags.sort());
  });
});
