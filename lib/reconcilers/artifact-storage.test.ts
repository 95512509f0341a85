import { createHash } from "node:crypto";
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { createLocalArtifactStore } from "../platform/local/artifact-store.ts";
import type { ArtifactStore } from "../platform/ports.ts";
import { artifactAddress, artifactKey, keyOfArtifactUrl, ownArtifactKey, storedProblem } from "./artifact-storage.ts";

const context = {
  endpoint: "https://sluice.test",
  clusterId: "home",
  secrets: { read: async () => "a seed that only this test knows" },
};
const object = { kind: "GitRepository", metadata: { namespace: "apps", name: "web" } };
const key = artifactKey("home", object, "abc.tar.gz");

describe("the address of an artifact", () => {
  it("ART-002, ART-003, TM-004: is its path after a token, stable, and leads back to its key", async () => {
    const { path, url } = await artifactAddress(context, key);
    expect(path).toBe("gitrepository/apps/web/abc.tar.gz");
    expect(url).toMatch(/^https:\/\/sluice\.test\/artifacts\/[\w-]{43}\/home\/gitrepository\/apps\/web\/abc\.tar\.gz$/);
    expect(await artifactAddress(context, key)).toEqual({ path, url });
    expect(keyOfArtifactUrl(context.endpoint, url)).toBe(key);
  });

  it("is not read as Sluice's where somebody else serves it", () => {
    for (const url of ["http://source-controller.flux-system/gitrepository/a/b/c.tar.gz", "https://sluice.test.evil/x"])
      expect(keyOfArtifactUrl(context.endpoint, url)).toBeUndefined();
  });

  it("TM-004: is never made for the artifact of another object, whatever path a status names", () => {
    expect(ownArtifactKey("home", object, { path: "gitrepository/secret/app/abc.tar.gz" })).toBe(key);
    expect(ownArtifactKey("home", object, { path: "../away/gitrepository/apps/web/abc.tar.gz" })).toBe(key);
  });

  it("cannot be made without a seed", async () => {
    const bare = { ...context, secrets: { read: async () => undefined } };
    await expect(artifactAddress(bare, key)).rejects.toThrow("has no secret admission-seed");
  });
});

it("CV-007, ART-012: an artifact without a digest, as old versions wrote it, counts as one that is not valid", async () => {
  const artifacts = createLocalArtifactStore(await mkdtemp(join(tmpdir(), "sluice-artifacts-")));
  const old = JSON.parse(
    `{"path":"gitrepository/apps/web/abc.tar.gz","revision":"main/abc","checksum":"ba78","url":"","lastUpdateTime":""}`,
  );
  const whole = { apiVersion: "source.toolkit.fluxcd.io/v1", ...object };
  expect(await storedProblem({ clusterId: "home", artifacts }, whole, old)).toBe("it has no digest");
});

describe("what is wrong with a stored artifact", () => {
  const whole = { apiVersion: "source.toolkit.fluxcd.io/v1", ...object };
  const digest = `sha256:${createHash("sha256").update("content").digest("hex")}`;
  const artifact = { path: "x/abc.tar.gz", revision: "main/abc", url: "", lastUpdateTime: "", digest, size: 7 };
  /** A real store that counts what is asked of it; `sha256: false` is of one that does not know it, as S3 of what came in parts. */
  const counting = async (content: Uint8Array, { sha256 = true } = {}) => {
    const artifacts = createLocalArtifactStore(await mkdtemp(join(tmpdir(), "sluice-artifacts-")));
    await artifacts.put(key, content);
    const asked: string[] = [];
    const head: ArtifactStore["head"] = async (name, options) => {
      asked.push("HEAD");
      return artifacts.head(name, sha256 ? options : {});
    };
    const get: ArtifactStore["get"] = async (name) => {
      asked.push("GET");
      return artifacts.get(name);
    };
    return { context: { clusterId: "home", artifacts: { ...artifacts, head, get } }, asked };
  };

  it("SN-002, ART-012: costs one HEAD where the store knows the SHA-256, and what is corrupt is seen", async () => {
    const { context, asked } = await counting(Buffer.from("content"));
    expect(await storedProblem(context, whole, artifact)).toBeUndefined();
    expect(asked).toEqual(["HEAD"]);
    await context.artifacts.put(key, Buffer.from("CONTENT"));
    expect(await storedProblem(context, whole, artifact)).toMatch(/^computed digest doesn't match 'sha256:/);
    await context.artifacts.put(key, Buffer.from("cut"));
    expect(await storedProblem(context, whole, artifact)).toMatch(/^computed digest doesn't match 'sha256:/);
    expect(asked).toEqual(["HEAD", "HEAD", "HEAD"]);
  });

  it("SN-002: is read where the store does not know it, but for what is larger than 48 MiB, whose size alone counts", async () => {
    const small = await counting(Buffer.from("CONTENT"), { sha256: false });
    expect(await storedProblem(small.context, whole, artifact)).toMatch(/^computed digest doesn't match 'sha256:/);
    expect(small.asked).toEqual(["HEAD", "GET"]);
    const size = 48 * 1024 * 1024 + 1;
    const large = await counting(Buffer.alloc(size), { sha256: false });
    expect(await storedProblem(large.context, whole, { ...artifact, size })).toBeUndefined();
    const longer = { ...artifact, size: size + 1 };
    expect(await storedProblem(large.context, whole, longer)).toMatch(/^computed digest doesn't match 'sha256:/);
    expect(large.asked).toEqual(["HEAD", "HEAD"]);
  });
});
