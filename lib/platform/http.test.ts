import { once } from "node:events";
import { createServer, type Server, type ServerResponse } from "node:http";
import { gzipSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { get as ask, download } from "./http.ts";

let server: Server;
let origin: string;
let requests: string[];
let answer: (response: ServerResponse, path: string, count: number) => void;

beforeEach(async () => {
  requests = [];
  server = createServer((request, response) => {
    requests.push(request.url ?? "");
    answer(response, request.url ?? "", requests.length);
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

const get = (path: string, options: { limit?: number; seconds?: number } = {}) =>
  download(origin + path, {
    limit: options.limit ?? 1000,
    redirects: 3,
    signal: AbortSignal.timeout((options.seconds ?? 10) * 1000),
  });

describe("downloads", () => {
  it("KS-026: the body arrives as it was sent", async () => {
    answer = (response) => response.end(Buffer.from([0, 255, 1]));
    expect(Buffer.from((await get("/a.tar.gz")) ?? [])).toEqual(Buffer.from([0, 255, 1]));
  });

  it("KS-025: an address that is not there is undefined, without another attempt", async () => {
    answer = (response) => response.writeHead(404).end();
    expect(await get("/none")).toBeUndefined();
    expect(requests).toHaveLength(1);
  });

  it("KS-026: a server that is in trouble is asked again", async () => {
    answer = (response, _path, count) => (count < 3 ? response.writeHead(503).end("busy") : response.end("here"));
    expect(Buffer.from((await get("/busy")) ?? []).toString()).toBe("here");
  });

  it("KS-026: a server that stays in trouble is told with its status, the address without what may be secret", async () => {
    answer = (response) => response.writeHead(502).end();
    await expect(get("/a?signature=secret")).rejects.toThrow(`${origin}/a answered 502 Bad Gateway`);
    expect(requests).toHaveLength(4);
  });

  it("KS-026: a connection that breaks in the middle is tried again", async () => {
    answer = (response, _path, count) => {
      if (count > 1) return response.end("whole");
      response.writeHead(200, { "content-length": 100 });
      response.write("part");
      setTimeout(() => response.destroy(), 20);
    };
    expect(Buffer.from((await get("/breaks")) ?? []).toString()).toBe("whole");
  });

  it("any other answer is an error at once", async () => {
    answer = (response) => response.writeHead(403).end();
    await expect(get("/forbidden")).rejects.toThrow("answered 403 Forbidden");
    expect(requests).toHaveLength(1);
  });

  it("redirects are followed so far and no further, and never away from HTTP", async () => {
    answer = (response, path) =>
      path === "/3"
        ? response.end("arrived")
        : response.writeHead(302, { location: `/${Number(path.slice(1)) + 1}` }).end();
    expect(Buffer.from((await get("/0")) ?? []).toString()).toBe("arrived");
    await expect(get("/-1")).rejects.toThrow("redirects more than 3 times");
    answer = (response) => response.writeHead(302, { location: "file:///etc/passwd" }).end();
    await expect(get("/")).rejects.toThrow("neither an http nor an https address");
  });

  it("a body beyond the limit is refused, announced, chunked or unpacked", async () => {
    const body = Buffer.alloc(1001);
    answer = (response) => response.writeHead(200, { "content-length": body.length }).end(body);
    await expect(get("/announced")).rejects.toThrow("is larger than 1000 bytes");
    answer = (response) => {
      response.write(body);
      response.end();
    };
    await expect(get("/chunked")).rejects.toThrow("is larger than 1000 bytes");
    answer = (response) => response.writeHead(200, { "content-encoding": "gzip" }).end(gzipSync(Buffer.alloc(100_000)));
    await expect(get("/bomb")).rejects.toThrow("is larger than 1000 bytes");
    expect(requests).toHaveLength(3);
  });

  it("KS-026: what is encoded on the way arrives as it was before", async () => {
    answer = (response) => response.writeHead(200, { "content-encoding": "gzip" }).end(gzipSync("packed"));
    expect(Buffer.from((await get("/packed")) ?? []).toString()).toBe("packed");
    answer = (response, _path, count) =>
      response.writeHead(200, { "content-encoding": "gzip" }).end(count < 4 ? gzipSync("packed").subarray(0, 9) : "");
    await expect(get("/cut")).rejects.toThrow("ended before it was whole");
  });

  it("TM-008: the function's own services are asked for nothing, named, resolved or redirected to", async () => {
    const { port } = new URL(origin);
    answer = (response, path) =>
      path === "/away"
        ? response.writeHead(302, { location: "http://169.254.169.254/latest/api/token" }).end()
        : response.end("not for tenants");
    await expect(get("/away")).rejects.toThrow(
      "http://169.254.169.254/latest/api/token could not be reached: 169.254.169.254 is not to be reached",
    );
    expect(requests).toEqual(["/away"]);
    vi.stubEnv("AWS_LAMBDA_RUNTIME_API", `127.0.0.1:${port}`);
    for (const host of ["127.0.0.1", "localhost"]) {
      const asked = download(`http://${host}:${port}/x`, {
        limit: 9,
        redirects: 0,
        signal: AbortSignal.timeout(5_000),
      });
      await expect(asked).rejects.toThrow(`port ${port} is of the function's own runtime API`);
    }
    vi.unstubAllEnvs();
    expect(requests).toEqual(["/away"]);
  });

  it("a server that does not answer is given up when the signal says so", async () => {
    answer = () => undefined;
    await expect(get("/slow", { seconds: 0.1 })).rejects.toThrow("did not answer in time");
    await expect(
      download("http://127.0.0.1:1/x", { limit: 1, redirects: 0, signal: AbortSignal.timeout(5_000) }),
    ).rejects.toThrow("could not be reached");
  });
});

describe("questions", () => {
  const options = () => ({ limit: 1000, redirects: 3, signal: AbortSignal.timeout(10_000) });

  it("KS-071: the entity tag of what is known is shown, and the answer says that it is so still", async () => {
    answer = (response, _path, count) => {
      if (count === 1) response.writeHead(200, { etag: '"1"' }).end("body");
      else response.writeHead(response.req.headers["if-none-match"] === '"1"' ? 304 : 500).end();
    };
    const first = await ask(`${origin}/x`, options());
    expect(first).toMatchObject({ status: 200, tag: '"1"' });
    expect(Buffer.from(first.body).toString()).toBe("body");
    expect(await ask(`${origin}/x`, { ...options(), knownTag: '"1"' })).toMatchObject({ status: 304 });
  });

  it("KS-071: an answer that lasts is given with its status, after as many attempts as are allowed", async () => {
    answer = (response) => response.writeHead(503).end("page");
    const { status, body } = await ask(`${origin}/x`, { ...options(), attempts: 2 });
    expect([status, body.length, requests.length]).toEqual([503, 0, 2]);
  });
});
