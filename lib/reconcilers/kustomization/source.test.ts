import { createHash } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Kustomization } from "../../api/kustomization.ts";
import type { ClusterClient } from "../../cluster/client.ts";
import { parseSettings } from "../../engine/settings.ts";
import { createLocalArtifactStore } from "../../platform/local/artifact-store.ts";
import type { ArtifactStore, Logger } from "../../platform/ports.ts";
import { artifactAddress } from "../artifact-storage.ts";
import { fetchArtifact, findSource } from "./source.ts";

const endpoint = "https://sluice.test";
const secrets = { read: async () => "a seed that only this test knows" };
const silent: Logger = { debug() {}, info() {}, warn() {}, error() {}, child: () => silent };
const settings = parseSettings([], "flux-system", silent);
const stored = Buffer.from("what the store keeps");
let directory: string;
let artifacts: ArtifactStore;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "sluice-source-"));
  artifacts = createLocalArtifactStore(directory);
  for (const key of ["home/gitrepository/apps/web/a.tar.gz", "home/gitrepository/secret/app/a.tar.gz"])
    await artifacts.put(key, stored);
});
afterAll(() => rm(directory, { recursive: true, force: true }));

/** What a Kustomization of the source apps/web is given, where its status names the address of this key. */
async function fetched(key: string): Promise<Uint8Array> {
  const { path, url } = await artifactAddress({ endpoint, clusterId: "home", secrets }, key);
  const digest = `sha256:${createHash("sha256").update(stored).digest("hex")}`;
  const artifact = { path, url, digest, revision: "main@sha1:a", lastUpdateTime: "2026-01-01T00:00:00Z" };
  const source = { kind: "GitRepository", namespace: "apps", name: "web", artifact, originRevision: undefined };
  const context = { artifacts, clusterId: "home", endpoint, settings, signal: AbortSignal.timeout(10_000) };
  return fetchArtifact(source, context);
}

describe("the source", () => {
  /** A Kustomization of the source apps/web, which an API server has at its `resourceVersion`, and who counts its reads. */
  function world(clusterId: string) {
    const source = { resourceVersion: "7", revision: "main@sha1:a" };
    let reads = 0;
    const request = async () => {
      reads += 1;
      const { resourceVersion, revision } = source;
      return { metadata: { name: "web", resourceVersion }, status: { artifact: { revision } } };
    };
    const cluster = { request, as: () => cluster } as unknown as ClusterClient;
    const find = async (state: string, user: string, ownVersion = "5") => {
      const cause = { type: "source", source: "GitRepository/apps/web", revision: "", state, user } as const;
      const object: Kustomization = {
        apiVersion: "kustomize.toolkit.fluxcd.io/v1",
        kind: "Kustomization",
        metadata: { name: "app", namespace: "apps", resourceVersion: ownVersion },
        spec: { interval: "1m", prune: true, sourceRef: { kind: "GitRepository", name: "web" } },
      };
      return (await findSource(object, { cluster, clusterId, settings, cause })).artifact.revision;
    };
    return { source, find, reads: () => reads };
  }

  it("is read once for all that it has woken at one revision", async () => {
    const { find, reads } = world("one");
    for (const user of ["1", "2", "3"]) await find("7", user, user);
    expect(reads()).toBe(1);
  });

  it("SN-15: is read anew for an item that speaks of another state of either", async () => {
    const { source, find, reads } = world("two");
    await find("7", "5");
    Object.assign(source, { resourceVersion: "8", revision: "main@sha1:b" });
    expect(await find("8", "5")).toBe("main@sha1:b");
    // Late: the Kustomization has applied a newer revision since it was woken with the older one.
    expect(await find("7", "5", "6")).toBe("main@sha1:b");
    expect(await find("8", "5", "6")).toBe("main@sha1:b");
    expect(reads()).toBe(4);
  });
});

describe("the artifact of a source", () => {
  it("KS-025: is read from the store", async () => {
    expect(Buffer.from(await fetched("home/gitrepository/apps/web/a.tar.gz"))).toEqual(stored);
    await expect(fetched("home/gitrepository/apps/web/b.tar.gz")).rejects.toThrow("artifact not found, retrying in");
  });

  it.each([
    "home/gitrepository/secret/app/a.tar.gz",
    "home/ocirepository/apps/web/a.tar.gz",
    "away/gitrepository/apps/web/a.tar.gz",
    "home/gitrepository/apps/web/../../secret/app/a.tar.gz",
    "held-webhooks/a.tar.gz",
    "a.tar.gz",
  ])("TM-004: is never that of another object: %s", async (key) => {
    await expect(fetched(key)).rejects.toMatchObject({
      reason: "ArtifactFailed",
      message: expect.stringContaining("the status of GitRepository/apps/web is not of an artifact of its own"),
    });
  });
});
