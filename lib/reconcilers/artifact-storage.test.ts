import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { createLocalArtifactStore } from "../platform/local/artifact-store.ts";
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
