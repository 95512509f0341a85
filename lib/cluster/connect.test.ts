import { createServer, type IncomingMessage, type RequestListener, type Server } from "node:http";
import { afterEach, describe, expect, it } from "vitest";
import { type ConnectOptions, connect } from "./connect.ts";

let server: Server | undefined;

afterEach(() => {
  server?.closeAllConnections();
  server?.close();
});

/** A client of an API server that answers as it is told to. */
async function clientOf(
  answer: RequestListener,
  options: Partial<ConnectOptions> = {},
  user: object = { token: "secret" },
) {
  const started = createServer(answer);
  server = started;
  await new Promise<void>((resolve) => started.listen(0, "127.0.0.1", resolve));
  const address = started.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  const kubeconfig = JSON.stringify({
    "current-context": "test",
    contexts: [{ name: "test", context: { cluster: "c", user: "u" } }],
    clusters: [{ name: "c", cluster: { server: `http://127.0.0.1:${port}/` } }],
    users: [{ name: "u", user }],
  });
  return connect({ type: "kubeconfig", kubeconfig }, { userAgent: "sluice/test", ...options });
}

const read = async (request: IncomingMessage) => {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks).toString("utf8");
};

describe("connect", () => {
  it.each(["..", "../../../other/secrets/x", "x/../../secrets/x", ".", "x?watch=true", "x#y", "%2e%2e", "x\\..\\y"])(
    "refuses a path that a name would lead elsewhere: %s",
    async (name) => {
      const seen: (string | undefined)[] = [];
      const client = await clientOf((request, response) => {
        seen.push(request.url);
        response.end("{}");
      });
      const path = `/api/v1/namespaces/n/configmaps/${name}`;
      await expect(client.request({ method: "GET", path })).rejects.toMatchObject({
        statusCode: 400,
        message: expect.stringMatching(/^invalid resource name in /),
      });
      expect(seen).toEqual([]);
    },
  );

  it("KS-210: says who asks, as whom, and what; query values are encoded", async () => {
    const seen: { method: string | undefined; url: string | undefined; headers: object; body: string }[] = [];
    const client = await clientOf(async (request, response) => {
      seen.push({ method: request.method, url: request.url, headers: request.headers, body: await read(request) });
      response.end('{"kind":"ConfigMap"}');
    });
    const answer = await client.as("system:serviceaccount:n:t").request({
      method: "PATCH",
      path: "/api/v1/namespaces/n/configmaps/x",
      query: { fieldManager: "a b", dryRun: undefined, force: true },
      body: { big: 12345678901234567890n },
      contentType: "application/apply-patch+yaml",
    });
    expect(answer).toEqual({ kind: "ConfigMap" });
    expect(seen).toMatchObject([
      {
        method: "PATCH",
        url: "/api/v1/namespaces/n/configmaps/x?fieldManager=a+b&force=true",
        body: '{"big":12345678901234567890}',
        headers: {
          authorization: "Bearer secret",
          "user-agent": "sluice/test",
          "impersonate-user": "system:serviceaccount:n:t",
          "content-type": "application/apply-patch+yaml",
          accept: "application/json",
        },
      },
    ]);
  });

  it("keeps its connection, and counts what it sends", async () => {
    const ports = new Set<number | undefined>();
    const sent: string[] = [];
    const client = await clientOf(
      (request, response) => {
        ports.add(request.socket.remotePort);
        response.end("{}");
      },
      { onRequest: (method, path) => sent.push(`${method} ${path}`) },
    );
    for (let count = 0; count < 3; count++) await client.request({ method: "GET", path: "/version", query: { count } });
    expect(ports.size).toBe(1);
    expect(sent).toEqual(["GET /version?count=0", "GET /version?count=1", "GET /version?count=2"]);
  });

  it("sends a 429 again after the time that it names, and gives up after a few", async () => {
    let asked = 0;
    const client = await clientOf((_request, response) => {
      asked++;
      if (asked === 2) response.end("{}");
      else response.writeHead(429, { "retry-after": "0" }).end();
    });
    await client.request({ method: "GET", path: "/version" });
    expect(asked).toBe(2);
    await expect(client.request({ method: "GET", path: "/version" })).rejects.toMatchObject({
      statusCode: 429,
      reason: "TooManyRequests",
    });
    expect(asked).toBe(2 + 5);
  });

  it("sends again what a lost connection may not have carried, but creates nothing twice", async () => {
    const lost: string[] = [];
    const client = await clientOf((request, response) => {
      const isFirst = !lost.includes(`${request.method}`);
      lost.push(`${request.method}`);
      if (isFirst) request.socket.destroy();
      else response.end("{}");
    });
    await client.request({ method: "GET", path: "/api/v1/pods" });
    expect(lost).toEqual(["GET", "GET"]);
    const fresh = await clientOf((request) => {
      lost.push(`${request.method}`);
      request.socket.destroy();
    });
    await expect(fresh.request({ method: "POST", path: "/api/v1/pods", body: {} })).rejects.toThrow(
      /hang up|ECONNRESET/,
    );
    expect(lost).toEqual(["GET", "GET", "POST"]);
  });

  it("ends with its signal", async () => {
    const client = await clientOf(() => undefined);
    await expect(client.request({ method: "GET", path: "/version", signal: AbortSignal.timeout(50) })).rejects.toThrow(
      /abort/i,
    );
  });

  it("reads a user's name and password", async () => {
    let header: string | undefined;
    const client = await clientOf(
      (request, response) => {
        header = request.headers.authorization;
        response.end("{}");
      },
      {},
      { username: "me", password: "pw" },
    );
    await client.request({ method: "GET", path: "/version" });
    expect(header).toBe(`Basic ${Buffer.from("me:pw").toString("base64")}`);
  });
});
