import { mkdir, mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createLocalClusters } from "./clusters.ts";
import { createLocalSecrets, keepLocalSecret } from "./secrets.ts";

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "sluice-secrets-"));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

describe("secrets and clusters of a local host", () => {
  it("a kept secret is made once, is the same for all who ask, and is its owner's alone", async () => {
    const [first, second] = await Promise.all([keepLocalSecret(directory, "seed"), keepLocalSecret(directory, "seed")]);
    expect(first).toMatch(/^[0-9a-f]{64}$/);
    expect(second).toBe(first);
    expect(await createLocalSecrets(directory).read("seed")).toBe(first);
    expect((await stat(join(directory, "seed"))).mode & 0o077).toBe(0);
  });

  it("a name that leaves the directory is refused", async () => {
    await expect(createLocalSecrets(directory).read("../secret")).rejects.toThrow("cannot be stored");
  });

  it("a cluster is added by a file, without a restart", async () => {
    const clusters = createLocalClusters(join(directory, "clusters"), {
      id: "default",
      kubeconfig: "one",
      context: "c",
    });
    expect(await clusters.list()).toEqual(["default"]);
    await mkdir(join(directory, "clusters"));
    await writeFile(join(directory, "clusters", "second.kubeconfig"), "two");
    expect(await clusters.list()).toEqual(["default", "second"]);
    expect(await clusters.get("second")).toEqual({ id: "second", type: "kubeconfig", kubeconfig: "two" });
    expect(await clusters.get("default")).toEqual({
      id: "default",
      type: "kubeconfig",
      kubeconfig: "one",
      context: "c",
    });
  });
});
