import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createAwsResources } from "../../test/bed/localstack/resources.ts";
import { artifactToken } from "../engine/token.ts";
import { createAwsPlatform } from "../platform/aws/platform.ts";
import type { Platform } from "../platform/ports.ts";
import { serveArtifact } from "./artifacts.ts";

const key = "home/gitrepository/apps/web/abc.tar.gz";
const bytes = Buffer.from(Array.from({ length: 100_000 }, (_, index) => (index * index) & 0xff));

let platform: Platform;
let server: Server;
let endpoint: string;
let address: string;

beforeAll(async () => {
  const resources = await createAwsResources([]);
  platform = createAwsPlatform(resources.env);
  await resources.putSecret("admission-seed", "a seed that only this test knows");
  server = createServer(async (request, response) => {
    const answer = await serveArtifact(
      platform,
      new Request(new URL(request.url ?? "", endpoint), { method: request.method ?? "GET" }),
    );
    response.writeHead(answer.status, Object.fromEntries(answer.headers));
    response.end(Buffer.from(await answer.arrayBuffer()));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  await platform.artifacts.put(key, bytes);
  address = `${endpoint}/artifacts/${await artifactToken(platform.secrets, key)}/${key}`;
});

afterAll(() => server?.close());

describe("the stable address of an artifact in S3", () => {
  it("SN-001: leads whoever follows redirects to the bytes, by a new short link each time, and an outsider to 403", async () => {
    const links: URL[] = [];
    for (let look = 0; look < 2; look++) {
      const response = await fetch(address, { redirect: "manual" });
      expect([response.status, response.headers.get("cache-control")]).toEqual([302, "no-store"]);
      links.push(new URL(response.headers.get("location") ?? ""));
      expect(Buffer.from(await (await fetch(address)).arrayBuffer()).equals(bytes)).toBe(true);
      // Signatures tell seconds.
      await new Promise((resolve) => setTimeout(resolve, 1100));
    }
    expect(links.map(({ searchParams }) => searchParams.get("X-Amz-Expires"))).toEqual(["300", "300"]);
    expect(new Set(links.map(({ searchParams }) => searchParams.get("X-Amz-Signature"))).size).toBe(2);
    // Nothing of the address is of a time: another function, days later, knows it as well.
    expect(new URL(address).search).toBe("");
    const [, before = "", token = ""] = /^(.*\/artifacts\/)([^/]+)/.exec(address) ?? [];
    for (const other of [`${before}${key}`, `${before}${token.slice(1)}/${key}`, `${before}${token}/${key}.parts`])
      expect((await fetch(other)).status).toBe(403);
  });

  it("ART-004, SN-002: tells a HEAD its size, and the store knows the SHA-256 without reading", async () => {
    const answer = await fetch(address, { method: "HEAD" });
    expect([answer.status, answer.headers.get("content-length")]).toEqual([200, String(bytes.length)]);
    const stored = await platform.artifacts.head(key, { checksum: true });
    expect(stored?.sha256).toMatch(/^[0-9a-f]{64}$/);
    await platform.artifacts.put(
      `${key}.parts`,
      (async function* () {
        yield Buffer.alloc(17 * 1024 * 1024);
      })(),
    );
    expect(await platform.artifacts.head(`${key}.parts`, { checksum: true })).toMatchObject({ size: 17 * 1024 * 1024 });
  });
});
