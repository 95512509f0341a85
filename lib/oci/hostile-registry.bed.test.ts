import { once } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer, type Server } from "node:https";
import type { TLSSocket } from "node:tls";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type RegistryFront, startRegistryFront } from "../../test/bed/registry/front.ts";
import { digestOf } from "../../test/bed/registry/push.ts";
import { createCertificateAuthority, issueCertificate } from "../platform/local/certificate.ts";
import { openRegistry, type Registry } from "./registry.ts";

const canary = "c4n4ry";
const credentials = { username: "puller", password: canary };
const manifest = JSON.stringify({ schemaVersion: 2, layers: [] });
const type = "application/vnd.oci.image.manifest.v1+json";
const manifestPath = /^\/v2\/app\/manifests\//;

let front: RegistryFront;
let other: RegistryFront;
let registry: Registry;

const open = (to: RegistryFront) =>
  openRegistry({ repository: { host: to.address, path: "app" }, outbound: {}, insecure: true, credentials });
const within = (milliseconds = 20_000) => AbortSignal.timeout(milliseconds);
const messageOf = (work: Promise<unknown>) => work.then(String, (error: unknown) => String(error));
const told = (of: RegistryFront) => of.requests.map((request) => request.told);

/** Answers with what a function says, and to anybody without credentials with a challenge where `basic` is set. */
function answer(
  to: RegistryFront,
  how: (request: IncomingMessage, response: ServerResponse) => unknown,
  basic = false,
): void {
  to.intercept = (request, response) => {
    if (basic && request.headers.authorization === undefined)
      response.writeHead(401, { "www-authenticate": 'Basic realm="r"' }).end();
    else how(request, response);
    return true;
  };
}

beforeEach(async () => {
  front = await startRegistryFront(undefined);
  other = await startRegistryFront(undefined);
  registry = open(front);
});
afterEach(async () => {
  await Promise.all([front.stop(), other.stop()]);
});

describe("a registry that is not as others", () => {
  it("OCI-003: without HEAD, or with one that says too little, it is asked by GET", async () => {
    for (const head of [405, 200, 403]) {
      answer(front, ({ method }, response) =>
        method === "HEAD" ? response.writeHead(head).end() : response.setHeader("content-type", type).end(manifest),
      );
      expect((await registry.resolve("v1", within())).digest).toBe(digestOf(manifest));
    }
  });

  it("OCI-023: what may pass is tried again, and what may not is told at once", async () => {
    for (const status of [408, 429, 500, 502, 503, 504]) {
      front.requests.length = 0;
      answer(front, (_, response) =>
        front.requests.length < 3
          ? response.writeHead(status).end()
          : response.setHeader("content-type", type).end(manifest),
      );
      expect((await registry.manifest("v1", within())).descriptor.digest).toBe(digestOf(manifest));
      expect(front.requests).toHaveLength(3);
    }
    for (const [status, body, words] of [
      [404, "", "unexpected status code 404 Not Found"],
      [
        403,
        JSON.stringify({ errors: [{ code: "DENIED", message: "no", detail: { b: [1], a: null } }] }),
        "DENIED: no; map[a:<nil> b:[1]]",
      ],
      [418, "<html>\u0007tea</html>", "unexpected status code 418 I'm a Teapot: <html> tea</html>"],
    ] as const) {
      front.requests.length = 0;
      answer(front, (_, response) => response.writeHead(status).end(body));
      const words2 = await messageOf(registry.manifest("v1", within()));
      expect(words2).toBe(`RegistryError: GET ${front.url}/v2/app/manifests/v1: ${words}`);
      expect(front.requests).toHaveLength(1);
    }
    answer(front, (_, response) => response.writeHead(429, { "retry-after": "3600" }).end());
    front.requests.length = 0;
    expect(await messageOf(registry.manifest("v1", within()))).toContain("429 Too Many Requests");
    expect(front.requests).toHaveLength(1);
  });

  it("OCI-004: a list that goes on elsewhere or for ever is none", async () => {
    const page = (link: string) =>
      answer(front, (_, response) => response.setHeader("link", link).end(JSON.stringify({ tags: ["a"] })));
    page(`<${other.url}/v2/app/tags/list?last=a>; rel="next"`);
    expect(await messageOf(registry.tags(within()))).toContain("goes on at another address");
    page('</v2/other/tags/list?last=a>; rel="next"');
    expect(await messageOf(registry.tags(within()))).toContain("goes on at another address");
    page('</v2/app/tags/list?last=a>; rel="next"');
    expect(await messageOf(registry.tags(within()))).toContain("does not end");
    expect(other.requests).toEqual([]);
    answer(front, (_, response) => response.end('{"tags": null}'));
    expect(await registry.tags(within())).toEqual([]);
  });
});

describe("a hostile registry", () => {
  it("gives no manifest and no blob of another digest, or larger than it may be", async () => {
    answer(front, (_, response) => response.setHeader("content-type", type).end(manifest));
    const wanted = digestOf("another");
    expect(await messageOf(registry.manifest(wanted, within()))).toContain(
      `manifest digest: "${digestOf(manifest)}" does not match requested digest: "${wanted}"`,
    );
    expect(await messageOf(registry.blob(wanted, 1000, within()))).toContain("error verifying sha256 checksum");
    expect(await messageOf(registry.blob(digestOf(manifest), 5, within()))).toContain("is larger than 5 bytes");
    const endless = (_: IncomingMessage, response: ServerResponse) => {
      const more = () => {
        while (!response.destroyed && response.write(Buffer.alloc(65_536)));
      };
      response.on("drain", more);
      more();
    };
    answer(front, endless);
    expect(await messageOf(registry.blob(wanted, 1_000_000, within()))).toContain("is larger than 1000000 bytes");
    expect(await messageOf(registry.manifest("v1", within()))).toContain("larger than 8388608 bytes");
    expect(await messageOf(registry.tags(within()))).toContain("larger than 8388608 bytes");
  });

  it("OCI-025: that stalls is waited for no longer than one may", async () => {
    answer(front, (_, response) => response.write("part"));
    const begun = Date.now();
    expect(await messageOf(registry.blob(digestOf("x"), 1000, within(500)))).toContain("TimeoutError");
    expect(Date.now() - begun).toBeLessThan(5_000);
  });

  it("SEC-012: gets no further than its own paths, and its credentials go to nobody else", async () => {
    const digest = digestOf("blob");
    answer(
      front,
      (_, response) => response.writeHead(307, { location: `${other.url}/elsewhere?token=${canary}` }).end(),
      true,
    );
    answer(other, (_, response) => response.end("blob"));
    const blob = await registry.blob(digest, 1000, within());
    expect(blob.whole()?.toString()).toBe("blob");
    blob.close();
    expect(told(other)).toEqual([`GET /elsewhere?token=${canary}`]);
    expect(other.requests[0]?.headers.authorization).toBeUndefined();
    answer(other, (_, response) => response.writeHead(500).end());
    expect(await messageOf(registry.blob(digest, 1000, within()))).not.toContain(canary);
    for (const location of [
      "http://169.254.169.254/latest/meta-data",
      "http://[fd00:ec2::254]/",
      "file:///etc/passwd",
    ]) {
      answer(front, (_, response) => response.writeHead(307, { location }).end());
      expect(await messageOf(registry.blob(digest, 1000, within()))).toMatch(/not to be reached|unsupported protocol/);
    }
    answer(front, (_, response) => response.writeHead(307, { location: "/v2/app/again" }).end());
    expect(await messageOf(registry.blob(digest, 1000, within()))).toContain("stopped after 5 redirects");
    front.requests.length = 0;
    for (const reference of ["../../../other/manifests/v1", "..", "a/b", "a?b", "", "x".repeat(200)])
      expect(await messageOf(registry.manifest(reference, within()))).toContain("could not parse reference");
    expect(front.requests).toEqual([]);
  });

  it("takes tokens for everybody where it sends to another registry, and shows that one nothing", async () => {
    answer(
      front,
      (_, response) => response.writeHead(307, { location: `${other.url}/v2/mirror/manifests/v1` }).end(),
      true,
    );
    answer(other, ({ headers, url = "" }, response) => {
      if (url.startsWith("/token")) return response.end(JSON.stringify({ token: "for-everybody" }));
      if (headers.authorization === "Bearer for-everybody")
        return response.setHeader("content-type", type).end(manifest);
      const challenge = `Bearer realm="${other.url}/token",service="s",scope="repository:mirror:pull"`;
      return response.writeHead(401, { "www-authenticate": challenge }).end();
    });
    expect((await registry.manifest("v1", within())).descriptor.digest).toBe(digestOf(manifest));
    expect(JSON.stringify(other.requests)).not.toContain(Buffer.from(`puller:${canary}`).toString("base64"));
    expect(told(other)).toContain("GET /token?service=s&scope=repository%3Amirror%3Apull");
  });

  it("cannot have credentials sent in the clear, or to link-local addresses", async () => {
    const authority = createCertificateAuthority("registry");
    const tls = issueCertificate(authority, { names: ["127.0.0.1"] });
    const secure = await startRegistryFront(undefined, { tls });
    const outbound = { tls: { certificateAuthority: authority.certificate } };
    const client = openRegistry({ repository: { host: secure.address, path: "app" }, outbound, credentials });
    const challenge = (realm: string) =>
      answer(secure, (_, response) => response.writeHead(401, { "www-authenticate": `Bearer realm="${realm}"` }).end());
    challenge(`${other.url}/token`);
    expect(await messageOf(client.resolve("v1", within()))).toContain('realm scheme "http" not allowed');
    challenge("https://169.254.169.254/token");
    expect(await messageOf(client.resolve("v1", within()))).toContain("not to be reached");
    answer(secure, (_, response) => response.writeHead(307, { location: `${other.url}/manifest` }).end());
    expect(await messageOf(client.manifest("v1", within()))).toContain("redirects from https to http");
    expect(other.requests).toEqual([]);
    await secure.stop();
  });

  it("OCI-021, SEC-012: shows the object's certificate to the registry, and to nobody whom it sends to", async () => {
    const authority = createCertificateAuthority("registry");
    const pem = issueCertificate(authority, { names: ["127.0.0.1"] });
    const client = issueCertificate(authority, { names: [], commonName: "client" });
    const shown: string[] = [];
    const servers = await Promise.all(
      ["own", "elsewhere"].map(async (name) => {
        const options = { key: pem.key, cert: pem.certificate, requestCert: true, rejectUnauthorized: false };
        const server = createServer(options, ({ socket }, response) => {
          const { subject } = (socket as TLSSocket).getPeerCertificate();
          shown.push(`${name} ${String(subject?.CN)}`);
          if (name === "elsewhere") response.end("blob");
          else response.writeHead(307, { location: `https://127.0.0.1:${portOf(servers[1])}/blob` }).end();
        });
        await once(server.listen(0, "127.0.0.1"), "listening");
        return server;
      }),
    );
    const portOf = (server: Server | undefined) => {
      const address = server?.address();
      return typeof address === "object" ? address?.port : 0;
    };
    const tls = { certificateAuthority: authority.certificate, certificate: client.certificate, key: client.key };
    const repository = { host: `127.0.0.1:${portOf(servers[0])}`, path: "app" };
    const blob = await openRegistry({ repository, outbound: { tls } }).blob(digestOf("blob"), 100, within());
    blob.close();
    expect(shown).toEqual(["own client", "elsewhere undefined"]);
    for (const server of servers) {
      server.closeAllConnections();
      server.close();
    }
  });

  it("has referrers by the API, of all pages, or by the tag that stands in for it", async () => {
    const found = { mediaType: type, digest: digestOf("signature"), size: 9, artifactType: "a/b" };
    const index = "application/vnd.oci.image.index.v1+json";
    const body = JSON.stringify({ schemaVersion: 2, manifests: [found, { mediaType: 5 }] });
    const tag = digestOf("x").replace(":", "-");
    answer(front, ({ url = "" }, response) => {
      if (!manifestPath.test(url)) return response.writeHead(404).end();
      return url.endsWith(tag) ? response.setHeader("content-type", index).end(body) : response.writeHead(404).end();
    });
    expect(await registry.referrers(digestOf("x"), within())).toEqual([found]);
    expect(await registry.referrers(digestOf("y"), within())).toEqual([]);
    answer(front, ({ url = "" }, response) => {
      response.setHeader("content-type", index);
      if (!url.includes("page=2")) response.setHeader("link", `<${url}?page=2>; rel="next"`);
      response.end(body);
    });
    expect(await registry.referrers(digestOf("x"), within())).toEqual([found, found]);
  });
});
