import { once } from "node:events";
import { createServer as createHttpServer, type Server } from "node:http";
import { createServer } from "node:https";
import { type AddressInfo, connect as connectTcp, type LookupFunction } from "node:net";
import type { TLSSocket } from "node:tls";
import { gzipSync } from "node:zlib";
import { afterEach, describe, expect, it } from "vitest";
import { createCertificateAuthority, issueCertificate } from "../platform/local/certificate.ts";
import { tenantAddress } from "../platform/tenant-address.ts";
import { type ConnectOptions, connect } from "./connect.ts";

const authority = createCertificateAuthority("test");
const closing: Server[] = [];

afterEach(() => {
  for (const server of closing.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

async function listen(server: Server): Promise<number> {
  closing.push(server);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}

type Seen = { headers: object; user: string | undefined; serverName: string | false | null };

/** An API server with TLS, and what it saw. */
async function secureServer(
  answer: (headers: object) => { headers?: Record<string, string>; body: string | Buffer; status?: number },
) {
  const seen: Seen[] = [];
  const certificate = issueCertificate(authority, { names: ["kube.test", "127.0.0.1"] });
  const options = { cert: certificate.certificate, key: certificate.key, ca: authority.certificate };
  const server = createServer({ ...options, requestCert: true, rejectUnauthorized: false }, (request, response) => {
    const socket = request.socket as TLSSocket;
    const user = socket.authorized ? socket.getPeerCertificate().subjectaltname : undefined;
    seen.push({ headers: request.headers, user, serverName: socket.servername });
    const { headers = {}, body, status = 200 } = answer(request.headers);
    response.writeHead(status, headers).end(body);
  });
  return { port: await listen(server), seen };
}

const base64 = (text: string) => Buffer.from(text).toString("base64");

/** A client as a tenant's kubeconfig makes it. */
function tenant(cluster: object, user: object = {}, options: Partial<ConnectOptions> = {}) {
  const kubeconfig = JSON.stringify({
    "current-context": "test",
    contexts: [{ name: "test", context: { cluster: "c", user: "u" } }],
    clusters: [{ name: "c", cluster: { "certificate-authority-data": base64(authority.certificate), ...cluster } }],
    users: [{ name: "u", user }],
  });
  const address = { type: "kubeconfig", kubeconfig } as const;
  return connect(address, { userAgent: "test", guard: tenantAddress, ...options });
}

const version = { method: "GET", path: "/version" } as const;

describe("a connection to a tenant's server", () => {
  it("KS-212: uses an inline client certificate and the server name of TLS", async () => {
    const { port, seen } = await secureServer(() => ({ body: "{}" }));
    const { certificate, key } = issueCertificate(authority, { names: ["tenant.test"] });
    const user = { "client-certificate-data": base64(certificate), "client-key-data": base64(key) };
    await tenant({ server: `https://127.0.0.1:${port}`, "tls-server-name": "kube.test" }, user).request(version);
    expect(seen).toMatchObject([{ user: "DNS:tenant.test", serverName: "kube.test" }]);
    await expect(
      tenant({ server: `https://127.0.0.1:${port}`, "tls-server-name": "other.test" }).request(version),
    ).rejects.toThrow("other.test");
  });

  it("KS-212: takes compressed answers unless the kubeconfig does not want them, and measures what they hold", async () => {
    const { port, seen } = await secureServer(() => ({
      headers: { "content-encoding": "gzip" },
      body: gzipSync('{"kind":"Status"}'),
    }));
    const server = `https://127.0.0.1:${port}`;
    expect(await tenant({ server }).request(version)).toEqual({ kind: "Status" });
    expect(seen[0]?.headers).toMatchObject({ "accept-encoding": "gzip" });
    await tenant({ server, "disable-compression": true }).request(version);
    expect(seen[1]?.headers).not.toHaveProperty("accept-encoding");

    const bomb = gzipSync(Buffer.alloc(65 * 1024 * 1024, " "));
    const bombed = await secureServer(() => ({ headers: { "content-encoding": "gzip" }, body: bomb }));
    await expect(tenant({ server: `https://127.0.0.1:${bombed.port}` }).request(version)).rejects.toThrow(
      "larger than 67108864 bytes",
    );
  });

  it("KS-212: believes a server without a known authority only where the operator allows it", async () => {
    const { port } = await secureServer(() => ({ body: "{}" }));
    const cluster = {
      server: `https://127.0.0.1:${port}`,
      "certificate-authority-data": undefined,
      "insecure-skip-tls-verify": true,
    };
    await expect(tenant(cluster).request(version)).rejects.toThrow(/certificate/);
    expect(await tenant(cluster, {}, { insecureTls: true }).request(version)).toEqual({});
  });

  it("KS-212: goes through the proxy of the kubeconfig, whose user it names", async () => {
    const { port, seen } = await secureServer(() => ({ body: "{}" }));
    const asked: (string | undefined)[][] = [];
    const proxy = createHttpServer((_request, response) => response.writeHead(403).end());
    proxy.on("connect", (request, socket) => {
      asked.push([request.url, request.headers["proxy-authorization"]]);
      const upstream = connectTcp(port, "127.0.0.1", () => {
        socket.write("HTTP/1.1 200 OK\r\n\r\n");
        socket.pipe(upstream).pipe(socket);
      });
      for (const end of [socket, upstream]) end.on("error", () => undefined);
    });
    const url = `http://me:p%40ss@127.0.0.1:${await listen(proxy)}`;
    const client = tenant({ server: "https://kube.test", "proxy-url": url }, { token: "t" });
    await client.request(version);
    await client.request(version);
    expect(asked).toEqual([["kube.test:443", `Basic ${base64("me:p@ss")}`]]);
    expect(seen).toMatchObject([
      { serverName: "kube.test", headers: { authorization: "Bearer t", host: "kube.test" } },
      { serverName: "kube.test" },
    ]);
    expect(seen[0]?.headers).not.toHaveProperty("proxy-authorization");
    expect(() => tenant({ server: "https://kube.test", "proxy-url": "socks5://127.0.0.1" })).toThrow(
      "names a 'socks5' proxy: only http and https can be used",
    );
    const refusing = createHttpServer();
    refusing.on("connect", (_request, socket) => socket.end("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n"));
    const away = tenant({ server: "https://kube.test", "proxy-url": `http://127.0.0.1:${await listen(refusing)}` });
    await expect(away.request(version)).rejects.toThrow("the proxy of the kubeconfig answered 407");
  });

  it("KS-212, TM-008: is refused where a name leads to the machine's own services, at the server and at the proxy", async () => {
    const lookup = ((_name, _options, callback) =>
      callback(null, [{ address: "169.254.169.254", family: 4 }])) as LookupFunction;
    const guard: ConnectOptions["guard"] = (url) => tenantAddress(url, lookup);
    const refused = "leads to 169.254.169.254, which is not to be reached";
    await expect(tenant({ server: "https://rebound.test" }, {}, { guard }).request(version)).rejects.toThrow(refused);
    const proxied = tenant({ server: "https://kube.test", "proxy-url": "http://rebound.test" }, {}, { guard });
    await expect(proxied.request(version)).rejects.toThrow(refused);
    expect(() => tenant({ server: "https://169.254.170.2" })).toThrow("not to be reached");
    expect(() => tenant({ server: "https://kube.test", "proxy-url": "http://169.254.169.254" })).toThrow(
      "not to be reached",
    );
  });

  it("KS-212: passes on no more of a refusal than a status holds", async () => {
    const message = "x".repeat(100_000);
    const { port } = await secureServer(() => ({
      status: 403,
      body: JSON.stringify({
        kind: "Status",
        apiVersion: "v1",
        status: "Failure",
        message,
        reason: "Forbidden",
        code: 403,
      }),
    }));
    const error = await tenant({ server: `https://127.0.0.1:${port}` })
      .request(version)
      .catch((caught: Error) => caught);
    expect(error).toMatchObject({ statusCode: 403, message: `${"x".repeat(2000)}...` });
  });

  it("KS-214: asks for the token at each request, so that it may be renewed under a long wait", async () => {
    const { port, seen } = await secureServer(() => ({ body: "{}" }));
    let count = 0;
    const client = connect(
      {
        type: "token",
        url: `https://127.0.0.1:${port}/`,
        certificateAuthority: authority.certificate,
        token: async () => `token-${++count}`,
      },
      { userAgent: "test", guard: tenantAddress },
    );
    await client.request(version);
    await client.as("system:serviceaccount:team:deployer").request(version);
    expect(seen).toMatchObject([
      { headers: { authorization: "Bearer token-1" } },
      { headers: { authorization: "Bearer token-2", "impersonate-user": "system:serviceaccount:team:deployer" } },
    ]);
  });
});
