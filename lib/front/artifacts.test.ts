import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { artifactToken } from "../engine/token.ts";
import { createLocalArtifactStore } from "../platform/local/artifact-store.ts";
import { createLocalRecordStore } from "../platform/local/record-store.ts";
import type { ArtifactStore, SecretReader } from "../platform/ports.ts";
import { parseArtifactPath, serveArtifact } from "./artifacts.ts";

const key = "home/gitrepository/apps/web/abc.tar.gz";
const secrets: SecretReader = { read: async () => "a seed that only this test knows" };
const pathOf = async (of: string, from = secrets) => `/artifacts/${await artifactToken(from, of)}/${of}`;

describe("the path of an artifact", () => {
  it("ART-002: is a token and its key below the cluster", () => {
    expect(parseArtifactPath(`/artifacts/token/${key}`)).toEqual({ token: "token", key });
  });

  it.each([
    "/artifacts/token/home/gitrepository/apps/web/../../../secrets",
    "/artifacts/token/home/gitrepository/apps/../abc.tar.gz",
    "/artifacts/token/../gitrepository/apps/web/abc.tar.gz",
    "/artifacts/token/home/gitrepository/apps/web/%2e%2e%2fabc",
    "/artifacts/token/home/gitrepository/apps/web/.hidden",
    "/artifacts/token/home/gitrepository/apps/web/a/b",
    "/artifacts/token/home/gitrepository/apps/web/",
    "/artifacts/token/home/kustomization/apps/web/abc.tar.gz",
    "/artifacts/token/held-webhooks/home/1-abc",
    "/artifacts/token/home",
    `/artifacts/${key}`,
  ])("ART-020: nothing else of the store is served: %s", (other) => {
    expect(parseArtifactPath(other)).toBeUndefined();
  });
});

describe("an artifact", () => {
  let directory: string;
  let store: ArtifactStore;
  let path: string;
  let absent: string;
  const bytes = Buffer.from([0x1f, 0x8b, 0, 255, 10]);

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "sluice-artifacts-"));
    store = createLocalArtifactStore(directory);
    await store.put(key, bytes);
    path = await pathOf(key);
    absent = await pathOf(key.replace("abc", "def"));
  });

  afterAll(() => rm(directory, { recursive: true, force: true }));

  const ask = (method: string, at = path, from = store) =>
    serveArtifact(
      { artifacts: from, records: createLocalRecordStore(join(directory, "records")), secrets },
      new Request(`https://sluice.test${at}`, { method }),
    );

  it("ART-017: is found under the stable address of its object too, once it is the newest", async () => {
    const stable = await pathOf("home/ocirepository/apps/web/latest.tar.gz");
    expect((await ask("GET", stable)).status).toBe(404);
    await store.put("home/ocirepository/apps/web/sha256:abc.tar.gz", bytes);
    const records = createLocalRecordStore(join(directory, "records"));
    await records.put("latest/home/ocirepository/apps/web", { file: "sha256:abc.tar.gz" }, "any");
    const response = await ask("GET", stable);
    expect(Buffer.from(await response.arrayBuffer())).toEqual(bytes);
  });

  it("ART-004: gives exactly the stored bytes, and 404 where there are none", async () => {
    const response = await ask("GET");
    expect(response.status).toBe(200);
    expect(response.headers.get("content-type")).toBe("application/gzip");
    expect(response.headers.get("content-length")).toBe("5");
    expect(Buffer.from(await response.arrayBuffer())).toEqual(bytes);
    expect((await ask("GET", absent)).status).toBe(404);
  });

  it("SN-001, TM-004: who has not the very token gets 403 and learns nothing, and the store is not asked", async () => {
    const asked: string[] = [];
    const watched: ArtifactStore = {
      ...store,
      head: (of) => {
        asked.push(of);
        return store.head(of);
      },
    };
    const other = { read: async () => "a seed of another deployment" };
    const [, , token = ""] = path.split("/");
    const paths = [
      await pathOf(key, other),
      path.replace(token, absent.split("/")[2] ?? ""),
      path.replace(token, token.slice(1)),
      path.replace(token, ""),
      `/artifacts/${key}`,
      absent.replace(absent.split("/")[2] ?? "", token),
      "/artifacts/x",
      "/artifacts/",
    ];
    for (const method of ["GET", "HEAD"])
      for (const guessed of paths) expect((await ask(method, guessed, watched)).status).toBe(403);
    expect(asked).toEqual([]);
    expect((await ask("HEAD", path, watched)).status).toBe(200);
    expect(asked).toEqual([key]);
  });

  it("is nobody's where the deployment has no seed, which is said", async () => {
    const records = createLocalRecordStore(join(directory, "records"));
    const bare = { artifacts: store, records, secrets: { read: async () => undefined } };
    await expect(serveArtifact(bare, new Request(`https://sluice.test${path}`))).rejects.toThrow("admission-seed");
  });

  it("ART-004: tells a HEAD its size", async () => {
    const response = await ask("HEAD");
    expect([response.status, response.headers.get("content-length")]).toEqual([200, "5"]);
    expect(await response.text()).toBe("");
    expect((await ask("HEAD", absent)).status).toBe(404);
  });

  it("design decision 8: answers with a link where the platform has one, and for what is there alone", async () => {
    const linking: ArtifactStore = { ...store, link: async (key, seconds) => `https://s3.test/${key}?for=${seconds}` };
    const response = await ask("GET", path, linking);
    expect(response.status).toBe(302);
    expect(response.headers.get("location")).toBe("https://s3.test/home/gitrepository/apps/web/abc.tar.gz?for=300");
    expect(response.headers.get("cache-control")).toBe("no-store");
    expect((await ask("GET", absent, linking)).status).toBe(404);
  });
});
