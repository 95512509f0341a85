import { once } from "node:events";
import { createServer } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { createServer as createTcpServer } from "node:net";
import { text } from "node:stream/consumers";
import { getCACertificates, setDefaultCACertificates } from "node:tls";
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { startHttpProxy, startSocksProxy, type TestProxy } from "../../test/bed/proxy.ts";
import { ask } from "./ask.ts";
import { createCertificateAuthority, issueCertificate } from "./local/certificate.ts";
import { type Outbound, openConnection, outboundAgent } from "./outbound.ts";

const authority = createCertificateAuthority("authority of the servers");
const other = createCertificateAuthority("another authority");
const certificateOf = (...names: string[]) => issueCertificate(authority, { names });
const trusting: Outbound = { tls: { certificateAuthority: authority.certificate } };
const credentials = { username: "canary-user", password: "canary:pass@word" };
const hosts = { "server.test": "127.0.0.1" };

let served: string[] = [];
const answer: Parameters<typeof createServer>[1] = (request, response) => {
  served.push(`${request.headers.host} ${request.url} ${request.headers["proxy-authorization"] ?? "-"}`);
  response.end("served");
};
const { certificate: cert, key } = certificateOf("server.test", "127.0.0.1");
const plain = createServer(answer);
const secure = createTlsServer({ cert, key }, answer);
const banner = createTcpServer((socket) => socket.on("error", () => undefined).write("SSH-2.0-test\r\n"));
let proxies: { http: TestProxy; https: TestProxy; socks: TestProxy; open: TestProxy };
let ports: { plain: number; secure: number; banner: number };

beforeAll(async () => {
  const port = async (server: typeof plain | typeof banner) => {
    await once(server.listen(0, "127.0.0.1"), "listening");
    const address = server.address();
    return address === null || typeof address === "string" ? 0 : address.port;
  };
  ports = { plain: await port(plain), secure: await port(secure), banner: await port(banner) };
  const tls = certificateOf("127.0.0.1");
  proxies = {
    http: await startHttpProxy({ credentials, hosts }),
    https: await startHttpProxy({ credentials, hosts, tls }),
    socks: await startSocksProxy({ credentials, hosts }),
    open: await startHttpProxy({ hosts }),
  };
});
afterAll(async () => {
  for (const proxy of Object.values(proxies)) await proxy.stop();
  for (const server of [plain, secure]) server.closeAllConnections();
  for (const server of [plain, secure, banner]) server.close();
});
beforeEach(() => {
  vi.unstubAllEnvs();
  served = [];
  for (const proxy of Object.values(proxies)) proxy.asked.length = 0;
});

const signal = () => AbortSignal.timeout(10_000);
const get = async (url: string, outbound: Outbound = trusting) =>
  text(await ask({ method: "GET", url: new URL(url), signal: signal() }, outbound));
const refused = (url: string, outbound: Outbound = trusting) =>
  get(url, outbound).then(
    (body) => Promise.reject(new Error(`answered ${body}`)),
    (error: Error & { code?: string }) => ({ code: error.code, message: error.message }),
  );
const through = (proxy: TestProxy, given: Partial<typeof credentials> = credentials): Outbound => ({
  ...trusting,
  proxy: { address: proxy.address, ...given },
});

describe("a proxy of the object", () => {
  it.each(["http", "https", "socks"] as const)(
    "SEC-004, GE-014: of the kind %s leads to an HTTPS server, whose name it resolves, on connections that are kept",
    async (kind) => {
      const proxy = proxies[kind];
      const before = proxy.connections;
      const url = `https://server.test:${ports.secure}/a?b=c`;
      for (let request = 0; request < 3; request++) expect(await get(url, through(proxy))).toBe("served");
      expect(served).toEqual(Array(3).fill(`server.test:${ports.secure} /a?b=c -`));
      expect(proxy.asked).toEqual([`${kind === "socks" ? "SOCKS5" : "CONNECT"} server.test:${ports.secure}`]);
      expect(proxy.connections - before).toBe(1);
    },
  );

  it("SEC-004: gets plain HTTP in absolute form with its own credentials, which the server never sees", async () => {
    const url = `http://server.test:${ports.plain}/a?b=c`;
    expect(await get(url, through(proxies.http))).toBe("served");
    expect(await get(url, through(proxies.https))).toBe("served");
    expect(await get(url, through(proxies.socks))).toBe("served");
    expect([...proxies.http.asked, ...proxies.https.asked]).toEqual([`GET ${url}`, `GET ${url}`]);
    expect(proxies.socks.asked).toEqual([`SOCKS5 server.test:${ports.plain}`]);
    expect(served).toEqual(Array(3).fill(`server.test:${ports.plain} /a?b=c -`));
  });

  it.each(["http", "https", "socks"] as const)(
    "GE-014: of the kind %s opens a connection for SSH, and loses nothing of what the server says first",
    async (kind) => {
      const socket = await openConnection(through(proxies[kind]), "server.test", ports.banner, signal());
      const [first] = await once(socket, "data");
      expect(String(first)).toBe("SSH-2.0-test\r\n");
      socket.destroy();
      expect(proxies[kind].asked).toEqual([`${kind === "socks" ? "SOCKS5" : "CONNECT"} server.test:${ports.banner}`]);
    },
  );

  it("SEC-012: is told without its credentials when it refuses them or cannot be reached", async () => {
    const url = `https://canary-a:canary-b@server.test:${ports.secure}/path?token=canary-c`;
    const wrong = { username: "canary-user", password: "canary-wrong" };
    const told = [
      await refused(url, through(proxies.http, wrong)),
      await refused(url, through(proxies.https, wrong)),
      await refused(url, through(proxies.socks, wrong)),
      await refused(url, through(proxies.socks, { username: undefined } as object)),
      await refused(url, { proxy: { address: "http://canary-d:canary-e@127.0.0.1:1" } }),
      await refused(url, { proxy: { address: "socks5://canary-d:canary-e@127.0.0.1:1" } }),
      await refused(url, { proxy: { address: "http://canary-d:canary-e@:99999" } }),
      await refused(url, { tls: { certificate: "canary-f", key: "canary-g" } }),
    ];
    const get = `Get "https://server.test:${ports.secure}/path": `;
    expect(told.map(({ message }) => message.replace(get, ""))).toEqual([
      "Proxy Authentication Required",
      "Proxy Authentication Required",
      `socks connect tcp 127.0.0.1:${proxies.socks.port}->server.test:${ports.secure}: username/password authentication failed`,
      `socks connect tcp 127.0.0.1:${proxies.socks.port}->server.test:${ports.secure}: no acceptable authentication methods`,
      "proxyconnect tcp: dial tcp 127.0.0.1:1: connect: connection refused",
      `socks connect tcp 127.0.0.1:1->server.test:${ports.secure}: dial tcp 127.0.0.1:1: connect: connection refused`,
      "the proxy's address is not valid: it must be an http, https or socks5 URL with a host",
      "tls: the certificate authority, the certificate or its key is not valid PEM, or they do not belong together",
    ]);
    expect(JSON.stringify(told)).not.toMatch(/canary/);
    expect(new Set(told.map(({ code }) => code))).toEqual(new Set(["unreachable", "tls"]));
  });

  it("TM-008: may not be, and may not lead to, a link-local address", async () => {
    for (const address of ["http://169.254.169.254", "socks5://[::ffff:169.254.169.254]", "https://0xa9fea9fe:8080"]) {
      expect((await refused("https://server.test/", { proxy: { address } })).message).toContain("is not to be reached");
    }
    for (const kind of ["open", "socks"] as const) {
      for (const url of ["http://169.254.169.254/latest", "https://2852039166/", "http://[fd00:ec2::254]/"])
        expect(await refused(url, through(proxies[kind]))).toMatchObject({ code: "address-refused" });
      await expect(openConnection(through(proxies[kind]), "0xa9fea9fe", 22, signal())).rejects.toMatchObject({
        code: "address-refused",
      });
      expect(proxies[kind].asked).toEqual([]);
    }
  });
});

describe("a connection without a proxy", () => {
  const open = (host: string, port: number, signal: AbortSignal = AbortSignal.timeout(10_000)) =>
    openConnection({}, host, port, signal);

  it("GE-014, TM-008, SN-011: is opened by name or address, and told in Go's words where it is not", async () => {
    for (const host of ["127.0.0.1", "localhost"]) {
      const socket = await open(host, ports.banner);
      expect(String((await once(socket, "data"))[0])).toBe("SSH-2.0-test\r\n");
      socket.destroy();
    }
    await expect(open("127.0.0.1", 1)).rejects.toMatchObject({
      code: "unreachable",
      message: "dial tcp 127.0.0.1:1: connect: connection refused",
    });
    for (const host of ["169.254.169.254", "[fd00:ec2::254]", "::ffff:169.254.169.254", "2852039166", "0xa9.254.43518"])
      await expect(open(host, 22)).rejects.toMatchObject({ name: "AskError", code: "address-refused" });
    await expect(open("git.gitea.svc.cluster.local", 22)).rejects.toThrow("a name of the cluster's own network");
    await expect(open("a b", 22)).rejects.toThrow("the host's name is not valid");
    const reason = new Error("the time of the object is over");
    await expect(open("127.0.0.1", ports.banner, AbortSignal.abort(reason))).rejects.toBe(reason);
  });
});

describe("the proxies of the environment", () => {
  it("SEC-005: serve whoever has no proxy of its own, but for what NO_PROXY names", async () => {
    vi.stubEnv("HTTPS_PROXY", `http://canary-user:canary%3Apass%40word@127.0.0.1:${proxies.http.port}`);
    vi.stubEnv("http_proxy", `127.0.0.1:${proxies.open.port}`);
    vi.stubEnv("ALL_PROXY", `socks5://canary-user:canary%3Apass%40word@127.0.0.1:${proxies.socks.port}`);
    vi.stubEnv("NO_PROXY", ".internal.test,127.0.0.0/8");
    expect(await get(`https://server.test:${ports.secure}/`)).toBe("served");
    expect(await get(`http://server.test:${ports.plain}/`)).toBe("served");
    expect(await get(`https://127.0.0.1:${ports.secure}/`)).toBe("served");
    (await openConnection({}, "server.test", ports.banner, signal())).destroy();
    expect(proxies.http.asked).toEqual([`CONNECT server.test:${ports.secure}`]);
    expect(proxies.open.asked).toEqual([`GET http://server.test:${ports.plain}/`]);
    expect(proxies.socks.asked).toEqual([`SOCKS5 server.test:${ports.banner}`]);
    const own = await startHttpProxy({ credentials, hosts });
    expect(await get(`https://server.test:${ports.secure}/`, through(own))).toBe("served");
    expect([proxies.http.asked.length, own.asked]).toEqual([1, [`CONNECT server.test:${ports.secure}`]]);
    await own.stop();
    vi.stubEnv("NO_PROXY", "*");
    expect((await refused(`https://server.test:${ports.secure}/`)).message).toContain("lookup server.test: ");
  });
});

describe("one warm process", () => {
  it("GE-015, SN-009: keeps tenants of different authorities, certificates and proxies apart on one host", async () => {
    const url = `https://127.0.0.1:${ports.secure}/`;
    const theirs: Outbound = { tls: { certificateAuthority: other.certificate } };
    for (let round = 0; round < 2; round++) {
      expect(await get(url, trusting)).toBe("served");
      expect((await refused(url, theirs)).message).toContain("x509: certificate signed by unknown authority");
      expect((await refused(url, {})).message).toContain("x509: certificate signed by unknown authority");
      expect(await get(url, { skipVerification: true })).toBe("served");
      expect(await get(url, through(proxies.socks))).toBe("served");
    }
    expect(proxies.socks.asked.length).toBe(1);
    expect(outboundAgent(trusting, "https:")).toBe(outboundAgent(structuredClone(trusting), "https:"));
    expect(outboundAgent(trusting, "https:")).not.toBe(outboundAgent(theirs, "https:"));
  });

  it("SEC-003: trusts the authority of an object besides the system's", async () => {
    const system = getCACertificates("default");
    const third = createCertificateAuthority("a third authority");
    try {
      setDefaultCACertificates([...system, authority.certificate]);
      const url = `https://127.0.0.1:${ports.secure}/`;
      expect(await get(url, { tls: { certificateAuthority: third.certificate } })).toBe("served");
    } finally {
      setDefaultCACertificates(system);
    }
  });
});
