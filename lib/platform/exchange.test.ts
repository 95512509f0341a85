import { once } from "node:events";
import { createServer, type Server, type ServerResponse } from "node:http";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { serviceExchange } from "./exchange.ts";

let server: Server;
let origin: string;
let bodies: string[];
let answer: (response: ServerResponse, count: number) => void;

beforeEach(async () => {
  bodies = [];
  server = createServer(async (request, response) => {
    let body = "";
    for await (const chunk of request) body += chunk;
    bodies.push(`${request.method} ${request.url} ${body}`);
    answer(response, bodies.length);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  origin = `http://127.0.0.1:${typeof address === "object" ? address?.port : 0}`;
});
afterEach(() => {
  server.closeAllConnections();
  server.close();
});

const post = (options = {}, signal = AbortSignal.timeout(10_000), path = "/a?token=hush") =>
  serviceExchange(options)({ method: "POST", url: new URL(path, origin), headers: {}, body: "question" }, signal);

describe("an exchange with a service", () => {
  it("gives the answer whatever its status, and follows no redirect", async () => {
    answer = (response) => response.writeHead(307, { location: `${origin}/elsewhere` }).end("moved");
    expect(await post()).toMatchObject({ status: 307, body: "moved" });
    expect(bodies).toEqual(["POST /a?token=hush question"]);
  });

  it("asks again where a later attempt may bring more, three times at most", async () => {
    answer = (response, count) => response.writeHead(count < 3 ? 503 : 200).end("here");
    expect(await post()).toMatchObject({ status: 200, body: "here" });
    answer = (response) => response.writeHead(429).end();
    expect(await post()).toMatchObject({ status: 429 });
    expect(bodies).toHaveLength(6);
    answer = (response, count) => response.writeHead(400).end(count === 7 ? "again" : "no");
    expect(await post({ again: ({ body }: { body: string }) => body === "again" })).toMatchObject({ body: "no" });
  });

  it("asks again where a connection breaks, and tells an address without what may be secret", async () => {
    answer = (response) => response.destroy();
    await expect(post()).rejects.toThrow(new RegExp(`^${origin}/a could not be reached: (?!.*hush)`));
    expect(bodies).toHaveLength(3);
  });

  it("keeps its connection for the next request, and asks again over another where that has gone stale", async () => {
    const ports = new Set<number | undefined>();
    answer = (response) => {
      ports.add(response.socket?.remotePort);
      response.end("here");
    };
    const exchange = serviceExchange();
    const ask = () =>
      exchange({ method: "GET", url: new URL(origin), headers: {} }, AbortSignal.timeout(10_000)).then(
        ({ body }) => body,
      );
    expect([await ask(), await ask()]).toEqual(["here", "here"]);
    expect(ports.size).toBe(1);
    server.closeAllConnections();
    expect(await ask()).toBe("here");
    expect(ports.size).toBe(2);
  });

  it("reads no more than its limit", async () => {
    answer = (response) => response.end("x".repeat(2_000));
    await expect(post({ limit: 1_000 })).rejects.toThrow(`the answer of ${origin}/a is larger than 1000 bytes`);
    expect(bodies).toHaveLength(1);
  });

  it("waits for an answer no longer than it may, and ends with the signal", async () => {
    answer = () => undefined;
    await expect(post({ seconds: 0.05 })).rejects.toThrow(`${origin}/a did not answer in time`);
    expect(bodies).toHaveLength(3);
    await expect(post({}, AbortSignal.timeout(50))).rejects.toThrow("did not answer in time");
    expect(bodies).toHaveLength(4);
  });

  it("TM-008: reaches no service of the machine's own", async () => {
    await expect(post({}, AbortSignal.timeout(5_000), "http://169.254.169.254/latest")).rejects.toThrow(
      "a link-local address is of the machine's own services",
    );
    await expect(post({}, AbortSignal.timeout(5_000), "ftp://example.com")).rejects.toThrow(
      "ftp:// is neither an http nor an https address",
    );
  });
});
