import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { gzipSync } from "node:zlib";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { type GitServer, type GitServerOptions, startGitServer } from "../../test/bed/git/git-server.ts";
import { createCertificateAuthority, issueCertificate } from "../platform/local/certificate.ts";
import { fetchArchive, type GitSource, resolveRevision } from "./fetch.ts";

let directory: string;
let count = 0;
const stops: (() => Promise<void>)[] = [];
const signal = AbortSignal.timeout(120_000);
const secret = "c4n4ry-t0ken";

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "sluice-transport-"));
});
afterEach(async () => {
  await Promise.all(stops.splice(0).map((stop) => stop()));
});
afterAll(() => rm(directory, { recursive: true, force: true }));

async function serve(
  options: Omit<GitServerOptions, "directory"> = {},
): Promise<{ server: GitServer; url: string; id: string }> {
  const server = await startGitServer({ directory: join(directory, String(count++)), ...options });
  stops.push(() => server.stop());
  const repository = await server.repository("app");
  return { server, url: repository.url, id: await repository.commit({ "a.txt": "a" }) };
}

/** A server of our own, which answers what a test makes of it. */
async function answering(answer: (request: IncomingMessage, response: ServerResponse) => void): Promise<string> {
  const server = createServer(answer);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  stops.push(async () => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const main = { branch: "main" };
const resolve = (source: Omit<GitSource, "reference">) => resolveRevision({ reference: main, ...source }, signal);

async function failure(source: Omit<GitSource, "reference">): Promise<{ code: string; message: string }> {
  const error: unknown = await resolve(source).then(
    ({ revision }) => new Error(`resolved ${revision}`),
    (reason: unknown) => reason,
  );
  expect(String(error)).not.toContain(secret);
  const { code = "none", message } = error as { code?: string; message: string };
  return { code, message };
}

describe("credentials", () => {
  it("GIT-050, GIT-053, GIT-054, SEC-012: user and password, right, wrong and none", async () => {
    const { server, url, id } = await serve({ basic: { username: "jäne", password: secret } });
    const right = { username: "jäne", password: secret };
    expect(await resolve({ url, credentials: right })).toEqual({ revision: `main@sha1:${id}`, commit: id });
    const wrong = { username: "jäne", password: `${secret}x` };
    const words = `unable to clone '${url}': authentication required`;
    for (const source of [{ url, credentials: wrong }, { url }, { url: url.replace("//", `//jane:${secret}@`) }]) {
      expect(await failure(source)).toMatchObject({
        code: "authentication-required",
        message: expect.stringContaining(words),
      });
    }
    // What was learned with the right credentials opens nothing for others, and is not lost to them.
    server.requests.length = 0;
    await resolve({ url, credentials: right });
    expect(server.requests.map(({ method }) => method)).toEqual(["POST"]);
  });

  it("GIT-051: a bearer token", async () => {
    const { url, id } = await serve({ bearer: secret });
    expect((await resolve({ url, credentials: { bearerToken: secret } })).commit).toBe(id);
    expect((await failure({ url, credentials: { bearerToken: "other" } })).code).toBe("authentication-required");
  });

  it("SEC-011: credentials that are withdrawn stop working at once, whatever was remembered", async () => {
    const { server, url } = await serve({ bearer: secret });
    const source = { url, credentials: { bearerToken: secret } };
    await resolve(source);
    server.intercept = (_, response) => {
      response.writeHead(401, { "content-type": "text/plain" }).end("Bad credentials\nmore");
      return true;
    };
    expect(await failure(source)).toEqual({
      code: "authentication-required",
      message: `unable to clone '${url}': authentication required: Bad credentials`,
    });
  });
});

describe("TLS", () => {
  it("GIT-055, SEC-003, GE-015: a private authority is trusted by the source that names it, and by no other", async () => {
    const authority = createCertificateAuthority("git");
    const { url, id } = await serve({ tls: issueCertificate(authority, { names: ["127.0.0.1"] }) });
    const other = createCertificateAuthority("other");
    const trusting = { url, tls: { certificateAuthority: authority.certificate } };
    expect((await resolve(trusting)).commit).toBe(id);
    for (const source of [{ url }, { url, tls: { certificateAuthority: other.certificate } }]) {
      expect(await failure(source)).toMatchObject({
        code: "unreachable",
        message: expect.stringContaining(
          "tls: failed to verify certificate: x509: certificate signed by unknown authority",
        ),
      });
    }
    expect((await resolve(trusting)).commit).toBe(id);
    const names = issueCertificate(authority, { names: ["git.example.test"] });
    const elsewhere = await serve({ tls: names });
    expect((await failure({ ...trusting, url: elsewhere.url })).message).toMatch(
      /x509: certificate is valid for git\.example\.test, not 127/,
    );
    expect((await failure({ url, tls: { certificate: secret, key: secret } })).code).toBe("invalid");
  });
});

describe("client certificates", () => {
  it("GIT-055: are shown to the server that asks for them, and not by other sources", async () => {
    const authority = createCertificateAuthority("mutual");
    const server = issueCertificate(authority, { names: ["127.0.0.1"] });
    const client = issueCertificate(authority, { names: ["jane"] });
    const listener = createTlsServer(
      { cert: server.certificate, key: server.key, ca: authority.certificate, requestCert: true },
      (_, response) => response.writeHead(401).end(),
    );
    await new Promise<void>((done) => listener.listen(0, "127.0.0.1", done));
    stops.push(async () => {
      listener.closeAllConnections();
      listener.close();
    });
    const url = `https://127.0.0.1:${(listener.address() as AddressInfo).port}`;
    const certificateAuthority = authority.certificate;
    const shown = { url, tls: { certificateAuthority, certificate: client.certificate, key: client.key } };
    expect((await failure(shown)).code).toBe("authentication-required");
    expect((await failure({ url, tls: { certificateAuthority } })).code).toBe("unreachable");
    expect((await failure(shown)).code).toBe("authentication-required");
  });
});

describe("redirects", () => {
  const to = (location: string) => (request: IncomingMessage, response: ServerResponse) => {
    response.writeHead(301, { location: location.replace("$", request.url ?? "") }).end();
  };

  it("GE-009: the first request is redirected, the others go to the new place at once", async () => {
    const { server, id } = await serve();
    const url = await answering(to(`${server.url}/app.git/info/refs?service=git-upload-pack`));
    expect((await resolve({ url: `${url}/old.git` })).commit).toBe(id);
    expect(server.requests.map(({ method, path }) => `${method} ${path.split("?")[0]}`)).toEqual([
      "GET /app.git/info/refs",
      "POST /app.git/git-upload-pack",
    ]);
    server.requests.length = 0;
    await resolve({ url: `${url}/old.git` });
    expect(server.requests.map(({ method }) => method)).toEqual(["POST"]);
  });

  it("GE-009: another host or port is told no credentials, the same is", async () => {
    const seen: (string | undefined)[] = [];
    const target = await answering((request, response) => {
      seen.push(request.headers.authorization);
      response.writeHead(401).end();
    });
    const url = await answering(to(`${target}/app.git/info/refs?service=git-upload-pack`));
    await failure({ url: `${url}/x.git`, credentials: { bearerToken: secret } });
    expect(seen).toEqual([undefined]);
    const { server, url: own, id } = await serve({ bearer: secret });
    server.intercept = (request, response) => {
      if (!request.url?.startsWith("/renamed")) return false;
      to("/app.git/info/refs?service=git-upload-pack")(request, response);
      return true;
    };
    const renamed = own.replace("/app.git", "/renamed.git");
    expect((await resolve({ url: renamed, credentials: { bearerToken: secret } })).commit).toBe(id);
  });

  it("GE-009: from http to https, never the other way", async () => {
    const authority = createCertificateAuthority("redirects");
    const tls = issueCertificate(authority, { names: ["127.0.0.1"] });
    const { server, url, id } = await serve({ tls });
    const trusted = { tls: { certificateAuthority: authority.certificate } };
    const plain = await answering(to(`${url}/info/refs?service=git-upload-pack`));
    expect((await resolve({ url: `${plain}/x.git`, ...trusted })).commit).toBe(id);
    server.intercept = (request, response) => {
      to(`${plain}/app.git/info/refs?service=git-upload-pack`)(request, response);
      return true;
    };
    const told = await failure({ url: url.replace("app", "other"), ...trusted });
    expect(told.message).toMatch(/http redirect: changes scheme from "https" to "http"/);
  });

  it("GE-009: a command is not redirected", async () => {
    const { server, url } = await serve();
    server.intercept = (request, response) => {
      if (request.method !== "POST") return false;
      response.writeHead(307, { location: "http://127.0.0.1:1/git-upload-pack" }).end();
      return true;
    };
    expect((await failure({ url })).message).toMatch(/answered with HTTP status 307/);
  });

  it.each([
    ["https://example.test/elsewhere", /target "\/elsewhere" does not end with \/info\/refs/],
    ["file:///app.git/info/refs", /unsupported scheme "file"/],
    ["$", /stopped after 5 redirects/],
    ["http://[", /not a URL/],
  ])("GE-009: a redirect to %s is refused", async (location, words) => {
    expect((await failure({ url: `${await answering(to(location))}/x.git` })).message).toMatch(words);
  });

  it("TM-008: the function's own services are no repository, named, resolved or redirected to", async () => {
    const metadata = "http://169.254.169.254/latest/info/refs";
    const redirecting = await answering(to(metadata));
    for (const url of ["http://169.254.169.254/latest", redirecting])
      expect(await failure({ url })).toMatchObject({
        code: "unreachable",
        message: expect.stringContaining(
          `Get "${metadata}": 169.254.169.254 is not to be reached: a link-local address`,
        ),
      });
    const asked: unknown[] = [];
    const { port } = new URL(await answering((request) => asked.push(request.url)));
    vi.stubEnv("AWS_LAMBDA_RUNTIME_API", `127.0.0.1:${port}`);
    for (const host of ["http://127.0.0.1", "http://localhost", "https://localhost"])
      expect((await failure({ url: `${host}:${port}/x.git` })).message).toMatch("of the function's own runtime API");
    vi.unstubAllEnvs();
    expect(asked).toEqual([]);
  });
});

describe("compressed answers", () => {
  /** A front that passes requests on to a server of Git and compresses its answers as many do. */
  async function compressing(target: string, change: (body: Buffer) => Buffer = gzipSync) {
    const told = { bytes: 0, requests: 0 };
    const url = await answering(async (request, response) => {
      const { headers, method = "GET" } = request;
      const body = method === "POST" ? { body: await buffer(request) } : {};
      const passed = Object.entries(headers).filter(([name]) => /^(accept|content-type|git-protocol)$/.test(name));
      const answer = await fetch(new URL(request.url ?? "", target), {
        ...{ method, headers: passed.map(([name, value]): [string, string] => [name, String(value)]) },
        ...body,
      });
      const whole = Buffer.from(await answer.arrayBuffer());
      const sent = headers["accept-encoding"] === "gzip" ? change(whole) : whole;
      told.bytes += sent.length;
      told.requests++;
      response.writeHead(answer.status, {
        "content-type": answer.headers.get("content-type") ?? "",
        ...(sent === whole ? {} : { "content-encoding": "gzip" }),
      });
      response.end(sent);
    });
    return { url: `${url}${new URL(target).pathname}`, told };
  }

  it("SB-003: a look at 1,000 tags costs less than 50 KB, and a pack comes through whole", async () => {
    const { server, url, id } = await serve();
    const repository = await server.repository("app");
    const tags = Array.from({ length: 1000 }, (_, patch) => `create refs/tags/v1.0.${patch} ${id}\n`);
    await repository.git(["update-ref", "--stdin"], tags.join(""));
    const front = await compressing(url);
    const source = { url: front.url, reference: { semver: ">=1.0.0" } };
    expect(await resolveRevision(source, signal)).toMatchObject({ revision: `v1.0.999@sha1:${id}` });
    const [before, requests] = [front.told.bytes, front.told.requests];
    const resolved = await resolveRevision(source, signal);
    expect(front.told.requests - requests).toBe(1);
    expect(front.told.bytes - before).toBeLessThan(50_000);
    const archive = await fetchArchive(source, resolved, signal);
    expect(archive.tarGz.size).toBeGreaterThan(100);
    archive.tarGz.close();
  });

  it("GE-001, SB-003: what is no gzip, is cut off or is a bomb is refused", async () => {
    const { url } = await serve();
    const cut = await compressing(url, (body) => gzipSync(body).subarray(0, -12));
    expect(await failure({ url: cut.url })).toMatchObject({ code: "protocol" });
    const senseless = await compressing(url, () => Buffer.from("no gzip at all"));
    expect(await failure({ url: senseless.url })).toEqual({
      code: "protocol",
      message: expect.stringContaining("the server's answer is compressed and cannot be read"),
    });
    const bomb = gzipSync(
      Buffer.concat([
        Buffer.from("001e# service=git-upload-pack\n0000000eversion 2\n"),
        Buffer.alloc(80_000_000, "0005a"),
      ]),
    );
    const exploding = await compressing(url, () => bomb);
    expect(await failure({ url: exploding.url })).toMatchObject({ code: "too-large" });
    const other = await answering((_request, response) => {
      const type = "application/x-git-upload-pack-advertisement";
      response.writeHead(200, { "content-type": type, "content-encoding": "br" }).end("x");
    });
    expect((await failure({ url: other })).message).toContain('the server\'s answer is compressed by "br"');
  });
});
