import { once } from "node:events";
import { Agent, request as httpsRequest, type RequestOptions } from "node:https";
import { connect } from "node:tls";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createCertificateAuthority, issueCertificate } from "./certificate.ts";
import { type Listener, startListener } from "./listener.ts";

const authority = createCertificateAuthority("listener");
const certificate = issueCertificate(authority, { names: ["127.0.0.1"] });
const agent = new Agent({ keepAlive: true, ca: authority.certificate });
let listener: Listener;
let errors: unknown[];

beforeEach(async () => {
  errors = [];
  listener = await startListener({
    address: "127.0.0.1",
    port: 0,
    certificate,
    onError: (error) => errors.push(error),
    handle: async (request) => {
      const url = new URL(request.url);
      if (url.pathname === "/throws") throw new Error("what nobody should read");
      const body = await request.text();
      return new Response(`${request.method} ${url.pathname}${url.search} ${body.length}`, {
        headers: { "x-seen": request.headers.get("x-sent") ?? "" },
      });
    },
  });
});
afterEach(() => listener.close());

type Answer = { status: number; text: string; seen: unknown; reused: boolean };

function ask(path: string, options: RequestOptions = {}, body?: string | Buffer): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const outgoing = httpsRequest(listener.url + path, { agent, ...options }, (incoming) => {
      let text = "";
      incoming.setEncoding("utf8").on("data", (chunk: string) => {
        text += chunk;
      });
      incoming.on("end", () =>
        resolve({
          status: incoming.statusCode ?? 0,
          text,
          seen: incoming.headers["x-seen"],
          reused: outgoing.reusedSocket,
        }),
      );
    });
    outgoing.on("error", reject);
    outgoing.end(body);
  });
}

describe("the local listener", () => {
  it("hands over method, path, query, headers and body, on a connection that stays", async () => {
    const get = await ask("/hook/abc?x=%2F", { headers: { "x-sent": "yes" } });
    expect(get).toMatchObject({ status: 200, text: "GET /hook/abc?x=%2F 0", seen: "yes" });
    const post = await ask("/hook", { method: "POST" }, Buffer.alloc(100_000));
    expect(post).toMatchObject({ status: 200, text: "POST /hook 100000", reused: true });
    expect(await ask("/hook", { method: "POST" })).toMatchObject({ status: 200, text: "POST /hook 0" });
  });

  it("answers a body beyond 6 MiB with 413, announced or not", async () => {
    const large = Buffer.alloc(6 * 1024 * 1024 + 1);
    expect((await ask("/", { method: "POST", headers: { "content-length": large.length } })).status).toBe(413);
    const chunked = await ask("/", { method: "POST", headers: { "transfer-encoding": "chunked" } }, large).catch(
      (error: unknown) => ({ status: `connection closed: ${error instanceof Error}` }),
    );
    expect([413, "connection closed: true"]).toContain(chunked.status);
    expect((await ask("/alive")).status).toBe(200);
  });

  it("RH-001: lets a sender who sends all of a body that is too large read the answer", async () => {
    for (const announced of [true, false])
      for (let time = 0; time < 5; time++) {
        const socket = connect({
          host: "127.0.0.1",
          port: Number(new URL(listener.url).port),
          ca: authority.certificate,
        });
        await once(socket, "secureConnect");
        const body = Buffer.alloc(16 * 1024 * 1024, "x");
        const length = announced ? `content-length: ${body.length}` : "transfer-encoding: chunked";
        socket.write(`POST /hook HTTP/1.1\r\nhost: x\r\n${length}\r\n\r\n`);
        if (!announced) socket.write(`${body.length.toString(16)}\r\n`);
        await new Promise<void>((resolve, reject) =>
          socket.write(body, (error) => (error ? reject(error) : resolve())),
        );
        if (!announced) socket.write("\r\n0\r\n\r\n");
        let answer = "";
        for await (const chunk of socket) answer += chunk;
        expect(answer).toMatch(/^HTTP\/1\.1 413 /);
      }
  });

  it("does not listen for ever to a body that is too large", async () => {
    const socket = connect({ host: "127.0.0.1", port: Number(new URL(listener.url).port), ca: authority.certificate });
    await once(socket, "secureConnect");
    socket.write("POST /hook HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000000\r\n\r\nx");
    const dripping = setInterval(() => socket.write("x"), 50);
    socket.on("error", () => undefined).resume();
    await once(socket, "close");
    clearInterval(dripping);
  }, 10_000);

  it("answers headers beyond 16 KiB with 431", async () => {
    expect((await ask("/", { headers: { "x-sent": "x".repeat(20_000) } })).status).toBe(431);
  });

  it("answers a failure with 500 and no word of why", async () => {
    const { status, text } = await ask("/throws");
    expect([status, text]).toEqual([500, ""]);
    expect(errors.map(String)).toEqual(["Error: what nobody should read"]);
  });

  it("closes although a client keeps its connection open", async () => {
    const socket = connect({ port: Number(new URL(listener.url).port), host: "127.0.0.1", ca: authority.certificate });
    await new Promise((resolve) => socket.once("secureConnect", resolve));
    const started = Date.now();
    await listener.close();
    expect(Date.now() - started).toBeLessThan(4_000);
    socket.destroy();
  });
});
