import { createServer } from "node:net";
import { afterEach, describe, expect, it, vi } from "vitest";
import { type ChatService, startChatService } from "../../test/bed/chat-service.ts";
import { attempts, type Delivery, deliver, waitSeconds } from "./delivery.ts";

const services: { close(): void }[] = [];

afterEach(() => {
  for (const service of services.splice(0)) service.close();
});

async function service(...answers: ChatService["answers"]): Promise<ChatService> {
  const started = await startChatService();
  started.answers.push(...answers);
  services.push(started);
  return started;
}

const send = (url: string, seconds = 5): Promise<Delivery> =>
  deliver({ url, headers: { "content-type": "application/json" }, body: "{}" }, {}, seconds);

describe("an answer", () => {
  it.each([200, 201, 202, 204])("HC-001: %i is success", async (status) => {
    expect(await send((await service({ status })).url)).toEqual({ sent: true });
  });

  it.each([400, 401, 403, 404, 410, 501])("HC-002: %i is final, with status and body", async (status) => {
    expect(await send((await service({ status, body: "no" })).url)).toEqual({
      sent: false,
      retry: false,
      error: `request failed: request failed with status code ${status}: no`,
    });
  });

  it.each([429, 500, 502, 503, 504])("HC-002: %i is tried again", async (status) => {
    expect(await send((await service({ status })).url)).toMatchObject({ sent: false, retry: true, timedOut: false });
  });

  it("HC-002: Retry-After says when, in seconds or as a date", async () => {
    const seconds = await service({ status: 503, headers: { "retry-after": "7" } });
    expect(await send(seconds.url)).toMatchObject({ retryAfter: 7 });
    const at = new Date(Date.now() + 60_000).toUTCString();
    const date = await send((await service({ status: 429, headers: { "retry-after": at } })).url);
    expect("retryAfter" in date && date.retryAfter).toBeGreaterThan(50);
    const nonsense = await send((await service({ status: 503, headers: { "retry-after": "soon" } })).url);
    expect(nonsense).not.toHaveProperty("retryAfter");
  });

  it("shows the beginning of a long page, and reads no endless one", async () => {
    const { url } = await service({ status: 400, body: "x".repeat(5_000_000) });
    const result = await send(url);
    expect("error" in result && result.error.length).toBeLessThan(1200);
  });
});

describe("no answer", () => {
  it("HC-002: a connection that is refused or lost is tried again", async () => {
    expect(await send("http://127.0.0.1:1")).toMatchObject({ sent: false, retry: true, timedOut: false });
    const rude = createServer((socket) => socket.destroy()).listen(0, "127.0.0.1");
    services.push(rude);
    await new Promise((resolve) => rude.once("listening", resolve));
    const address = rude.address();
    const port = typeof address === "object" ? address?.port : 0;
    expect(await send(`http://127.0.0.1:${port}`)).toMatchObject({ sent: false, retry: true });
  });

  it("HC-003: one that does not come in time says so", async () => {
    const silent = createServer(() => undefined).listen(0, "127.0.0.1");
    services.push(silent);
    await new Promise((resolve) => silent.once("listening", resolve));
    const address = silent.address();
    const port = typeof address === "object" ? address?.port : 0;
    expect(await send(`http://127.0.0.1:${port}`, 0.1)).toEqual({
      sent: false,
      retry: true,
      timedOut: true,
      error: "failed to execute request: context deadline exceeded",
    });
  });

  it("HC-002: redirects without end, and to what is no web address, are final", async () => {
    const loop = await service();
    loop.answers.push(...Array.from({ length: 12 }, () => ({ status: 302, headers: { location: loop.url } })));
    expect(await send(loop.url)).toMatchObject({ retry: false, error: expect.stringContaining("after 10 redirects") });
    expect(loop.posted.map(({ method }) => method).slice(0, 2)).toEqual(["POST", "GET"]);
    const file = await service({ status: 307, headers: { location: "file:///etc/passwd" } });
    expect(await send(file.url)).toMatchObject({ retry: false, error: expect.stringContaining("protocol scheme") });
  });
});

it("TM-002, TM-008: nothing is posted to the service that runs the function, however its address is written", async () => {
  const runtime = await service();
  const { port } = new URL(runtime.url);
  vi.stubEnv("AWS_LAMBDA_RUNTIME_API", `127.0.0.1:${port}`);
  const refused = { sent: false, retry: false, error: expect.stringContaining("the function's own") };
  for (const host of ["127.0.0.1", "localhost", "2130706433", "[::ffff:127.0.0.1]"])
    expect(await send(`http://${host}:${port}/2018-06-01/runtime/init/error`)).toEqual(refused);
  const redirecting = await service({ status: 307, headers: { location: `${runtime.url}/x` } });
  expect(await send(redirecting.url)).toEqual(refused);
  const proxied = { url: "http://chat.example", headers: {}, body: "{}" };
  expect(await deliver(proxied, { proxy: new URL(runtime.url) }, 5)).toEqual(refused);
  const tunnelled = { ...proxied, url: "https://chat.example" };
  expect(await deliver(tunnelled, { proxy: new URL(`http://localhost:${port}`) }, 5)).toEqual(refused);
  expect(runtime.posted).toEqual([]);
  vi.unstubAllEnvs();
});

it("TM-008: nothing is posted to link-local services, by a redirect neither", async () => {
  const refused = { sent: false, retry: false, error: expect.stringContaining("169.254.169.254 is not to be reached") };
  expect(await send("http://169.254.169.254/latest/api/token")).toEqual(refused);
  const redirecting = await service({ status: 307, headers: { location: "http://169.254.169.254/" } });
  expect(await send(redirecting.url)).toEqual(refused);
  expect(redirecting.posted).toHaveLength(1);
});

describe("the waits", () => {
  it("HC-002: are Flux's as long as Flux tries, and then reach for an hour", () => {
    const waits = Array.from({ length: attempts - 1 }, (_, index) => waitSeconds(index + 1, undefined));
    expect(waits.slice(0, 3)).toEqual([2, 4, 8]);
    const total = waits.reduce((sum, wait) => sum + wait, 0);
    expect(total).toBeGreaterThan(3600 * 0.9);
    expect(total).toBeLessThan(3600 * 1.1);
    expect(Math.max(...waits)).toBeLessThanOrEqual(900);
  });

  it("HC-002: are what the service asks for, within reason", () => {
    expect(waitSeconds(1, 30)).toBe(30);
    expect(waitSeconds(1, 86_400)).toBe(900);
    expect(waitSeconds(1, 0)).toBe(1);
  });
});
