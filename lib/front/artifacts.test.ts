import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createLocalArtifactStore } from "../platform/local/artifact-store.ts";
import type { ArtifactStore } from "../platform/ports.ts";
import { artifactKeyOf, serveArtifact } from "./artifacts.ts";

const path = "/artifacts/home/gitrepository/apps/web/abc.tar.gz";

describe("the path of an artifact", () => {
  it("ART-002: is its key below the cluster", () => {
    expect(artifactKeyOf(path)).toBe("home/gitrepository/apps/web/abc.tar.gz");
  });

  it.each([
    "/artifacts/home/gitrepository/apps/web/../../../secrets",
    "/artifacts/home/gitrepository/apps/../abc.tar.gz",
    "/artifacts/../gitrepository/apps/web/abc.tar.gz",
    "/artifacts/home/gitrepository/apps/web/%2e%2e%2fabc",
    "/artifacts/home/gitrepository/apps/web/.hidden",
    "/artifacts/home/gitrepository/apps/web/a/b",
    "/artifacts/home/gitrepository/apps/web/",
    "/artifacts/home/kustomization/apps/web/abc.tar.gz",
    "/artifacts/held-webhooks/home/1-abc",
    "/artifacts/home",
  ])("ART-020: nothing else of the store is served: %s", (other) => {
    expect(artifactKeyOf(other)).toBeUndefined();
  });
});

describe("an artifact", () => {
  let directory: string;
  let store: ArtifactStore;
  const bytes = Buffer.from([0x1f, 0x8b, 0, 255, 10]);

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "sluice-artifacts-"));
    store = createLocalArtifactStore(directory);
    await store.put("home/gitrepository/apps/web/abc.tar.gz", bytes);
  });

  afterAll(() => rm(directory, { recursive: true, force: true }));

  const ask = (method: string, at = path, from = store) =>
    serveArtifact(from, new Request(`https://sluice.test${at}`, { method }));

  it("ART-004: gives exactly the stored bytes, and 404 where there are none", async () => {
    const response = await ask("GET");
    expect(response.status).toBe(200);
    expect(response.headers.get("content-type")).toBe("application/gzip");
    expect(response.headers.get("content-length")).toBe("5");
    expect(Buffer.from(await response.arrayBuffer())).toEqual(bytes);
    expect((await ask("GET", path.replace("abc", "def"))).status).toBe(404);
    expect((await ask("GET", "/artifacts/x")).status).toBe(404);
  });

  it("ART-004: tells a HEAD its size", async () => {
    const response = await ask("HEAD");
    expect([response.status, response.headers.get("content-length")]).toEqual([200, "5"]);
    expect(await response.text()).toBe("");
    expect((await ask("HEAD", path.replace("abc", "def"))).status).toBe(404);
  });

  it("design decision 8: answers with a link where the platform has one, and for what is there alone", async () => {
    const linking: ArtifactStore = { ...store, link: async (key, seconds) => `https://s3.test/${key}?for=${seconds}` };
    const response = await ask("GET", path, linking);
    expect(response.status).toBe(302);
    expect(response.headers.get("location")).toBe("https://s3.test/home/gitrepository/apps/web/abc.tar.gz?for=300");
    expect(response.headers.get("cache-control")).toBe("no-store");
    expect((await ask("GET", path.replace("abc", "def"), linking)).status).toBe(404);
  });
});
