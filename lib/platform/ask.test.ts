import { once } from "node:events";
import { createServer, type RequestListener, type Server } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { createServer as createTcpServer } from "node:net";
import { afterEach, describe, expect, it, vi } from "vitest";
import { ask, readBody } from "./ask.ts";
import { createCertificateAuthority, issueCertificate } from "./local/certificate.ts";
import type { Outbound } from "./outbound.ts";

const authority = createCertificateAuthority("authority of the servers");
const trusting: Outbound = { tls: { certificateAuthority: authority.certificate } };
const ends: (() => void)[] = [];
afterEach(() => {
  for (const end of ends.splice(0)) end();
});

async function serve(
  answer: RequestListener,
  tls?: { cert: string; key: string; [option: string]: unknown },
): Promise<string> {
  const server: Server | ReturnType<typeof createTlsServer> = tls ? createTlsServer(tls, answer) : createServer(answer);
  ends.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return `${tls ? "https" : "http"}://127.0.0.1:${await portOf(server)}`;
}

async function portOf(server: Server | ReturnType<typeof createTcpServer | typeof createTlsServer>): Promise<number> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  return address === null || typeof address === "string" ? 0 : address.port;
}

const signal = () => AbortSignal.timeout(10_000);
const get = (url: string, options: { silence?: number; signal?: AbortSignal } = {}, outbound?: Outbound) =>
  ask({ method: "GET", url: new URL(url), signal: signal(), ...options }, outbound);
const failure = (asked: Promise<unknown>) =>
  asked.then(
    () => Promise.reject(new Error("it did not fail")),
    (error: Error & { code?: string }) => ({ code: error.code, message: error.message }),
  );

describe("a hostile server", () => {
  it("is not followed where it redirects to", async () => {
    const url = await serve((_request, response) =>
      response.writeHead(302, { location: "http://169.254.169.254/" }).end(),
    );
    expect((await get(url)).statusCode).toBe(302);
  });

  it("is given up when it is silent, before its head, in the middle of it and in its body", async () => {
    const said = {
      quiet: "",
      dripping: "HTTP/1.1 200 OK\r\nX: ",
      body: "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nx",
    };
    for (const [kind, words] of Object.entries(said)) {
      const server = createTcpServer((socket) => {
        socket.on("error", () => undefined).write(words);
        const dripping = kind === "dripping" && setInterval(() => socket.write("H"), 20);
        socket.once("close", () => dripping && clearInterval(dripping));
        ends.push(() => socket.destroy());
      });
      const port = await portOf(server);
      ends.push(() => server.close());
      const url = `http://127.0.0.1:${port}/x?canary`;
      const started = Date.now();
      const asked = get(url, { silence: 300 }).then((answer) => readBody(answer, 1000));
      const { code, message } = await failure(asked);
      expect([kind, code]).toEqual([kind, "silent"]);
      if (kind === "quiet") expect(message).toBe(`Get "http://127.0.0.1:${port}/x": the server was silent for 0.3 s`);
      expect(Date.now() - started).toBeLessThan(5000);
    }
  });

  it("is ended by the signal, however long it drips its body, with the signal's reason", async () => {
    const url = await serve((_request, response) => {
      const dripping = setInterval(() => response.write("x"), 10);
      response.once("close", () => clearInterval(dripping));
    });
    const reason = new Error("the time of the object is over");
    const controller = new AbortController();
    const answer = await get(url, { silence: 500, signal: controller.signal });
    setTimeout(() => controller.abort(reason), 300);
    await expect(readBody(answer, 1_000_000)).rejects.toBe(reason);
    await expect(get(url, { signal: controller.signal })).rejects.toBe(reason);
  });

  it("is ended when its body is endless, or says that it will be, or breaks off", async () => {
    const url = await serve((request, response) => {
      if (request.url === "/long") return response.writeHead(200, { "content-length": 1e12 }).flushHeaders();
      if (request.url === "/broken")
        return response.writeHead(200, { "content-length": 9 }).write("x", () => response.destroy());
      const pour = () => {
        while (response.write(Buffer.alloc(65536)));
      };
      response.on("drain", pour);
      return pour();
    });
    for (const path of ["/long", "/endless"])
      expect((await failure(get(url + path).then((answer) => readBody(answer, 100_000)))).message).toBe(
        "the server's answer is larger than 100000 bytes",
      );
    expect(await failure(get(`${url}/broken`).then((answer) => readBody(answer, 100)))).toEqual({
      code: "unreachable",
      message: "unexpected EOF: the connection was lost in the middle of the server's answer",
    });
  });

  it("has an endless head refused", async () => {
    const server = createTcpServer((socket) => {
      socket.on("error", () => undefined).write("HTTP/1.1 200 OK\r\n");
      const pour = () => {
        while (socket.writable && socket.write(`X-${"y".repeat(1000)}: z\r\n`));
      };
      socket.on("drain", pour);
      pour();
      ends.push(() => socket.destroy());
    });
    const url = `http://127.0.0.1:${await portOf(server)}/`;
    ends.push(() => server.close());
    expect((await failure(get(url))).code).toBe("unreachable");
  });
});

describe("an answer", () => {
  it("comes again on a new connection where an idle one was closed by the server", async () => {
    let requests = 0;
    const url = await serve((request, response) => {
      requests++;
      response.end("x", () => setImmediate(() => request.socket.resetAndDestroy()));
    });
    for (let round = 0; round < 10; round++) expect(String(await readBody(await get(url), 10))).toBe("x");
    expect(requests).toBeGreaterThanOrEqual(10);
  });
});

describe("what failed is told in Go's words", () => {
  const issued = issueCertificate(authority, { names: ["a.test", "b.test"] });
  const right = issueCertificate(authority, { names: ["127.0.0.1"] });

  it("SEC-012: TLS failures are told as crypto/x509 does, without query, user or headers", async () => {
    const wrong = await serve(() => undefined, { cert: issued.certificate, key: issued.key });
    const demanding = await serve(() => undefined, {
      cert: right.certificate,
      key: right.key,
      requestCert: true,
      ca: authority.certificate,
    });
    const plain = (await serve(() => undefined)).replace("http:", "https:");
    const told = async (url: string, outbound?: Outbound) => {
      const { code, message } = await failure(get(`${url.replace("//", "//canary:canary@")}/x?canary`, {}, outbound));
      return [code, message.replace(`Get "${url}/x": `, "")];
    };
    const verify = "tls: failed to verify certificate: x509:";
    expect(await told(wrong)).toEqual(["tls", `${verify} certificate signed by unknown authority`]);
    expect(await told(wrong, trusting)).toEqual([
      "tls",
      `${verify} certificate is valid for a.test, b.test, not 127.0.0.1`,
    ]);
    expect(await told(demanding, trusting)).toEqual(["tls", "remote error: tls: certificate required"]);
    expect(await told(plain)).toEqual(["tls", "http: server gave HTTP response to HTTPS client"]);
  });

  it("a certificate that is out of its time is told as crypto/x509 does", async () => {
    for (const years of [-3, 3]) {
      vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + years * 365 * 86_400_000 });
      const { certificate, key } = issueCertificate(authority, { names: ["127.0.0.1"] });
      vi.useRealTimers();
      const url = await serve(() => undefined, { cert: certificate, key });
      expect((await failure(get(url, {}, trusting))).message).toBe(
        `Get "${url}/": tls: failed to verify certificate: x509: certificate has expired or is not yet valid`,
      );
    }
  });

  it("SN-011: a host of the cluster's own network is told as such at once", async () => {
    for (const host of ["minio.storage.svc", "registry.default.svc.cluster.local", "gitea.cluster.local"]) {
      const started = Date.now();
      const { code, message } = await failure(get(`http://${host}:9000/bucket?canary`));
      expect(Date.now() - started).toBeLessThan(4000);
      expect(code).toBe("unreachable");
      expect(message).toBe(
        `Get "http://${host}:9000/bucket": dial tcp: lookup ${host}: no such host: this is a name of the cluster's own network, which Sluice works outside of: use an address that is reachable from there, or attach its functions to the cluster's network`,
      );
    }
  });

  it("SEC-012: so are addresses that are refused, protocols that are not spoken and servers that are not there", async () => {
    const told = async (url: string) => (await failure(get(url))).message;
    expect(await told("http://canary:canary@[::ffff:169.254.169.254]/x?canary")).toMatch(
      /^Get "http:\/\/\[::ffff:a9fe:a9fe\]\/x": \S+ is not to be reached: a link-local/,
    );
    expect(await told("ftp://canary@host.test/x?canary")).toBe(
      'Get "ftp://host.test/x": unsupported protocol scheme "ftp"',
    );
    expect(await told("http://canary:canary@127.0.0.1:1/x?canary")).toBe(
      'Get "http://127.0.0.1:1/x": dial tcp 127.0.0.1:1: connect: connection refused',
    );
  });
});
