import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { gzipSync } from "node:zlib";
import { pack } from "tar-stream";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openArtifact } from "./artifact.ts";
import { kustomizeBinary } from "./binary.ts";
import { build } from "./build.ts";
import { runKustomize } from "./run-kustomize.ts";
import { artifactOf, configMap } from "./testdata/artifact-of.ts";

const canary = "canary-0f2c8d";
let outside: string;
beforeAll(async () => {
  outside = await mkdtemp(join(tmpdir(), "sluice-test-"));
  await mkdir(join(outside, "root"));
  await writeFile(join(outside, "secret.env"), `TOKEN=${canary}\n`);
});
afterAll(() => rm(outside, { recursive: true }));

/** What a build gives or says, as text: neither may hold what lies outside. */
async function outcome(files: Record<string, string | object>, path = "."): Promise<string> {
  const result = await build(artifactOf(files), { path }).catch((error: unknown) => String(error));
  return typeof result === "string" ? result : JSON.stringify(result);
}

describe("what lies outside the artifact", () => {
  it("SN-02: is what kustomize would print, were it free to", async () => {
    const root = join(outside, "root");
    const stolen = { configMapGenerator: [{ name: "x", envs: ["../secret.env"], files: ["/proc/self/environ"] }] };
    await writeFile(join(root, "kustomization.yaml"), JSON.stringify(stolen));
    const free = await runKustomize(await kustomizeBinary(), root, "", { unrestricted: true });
    expect("output" in free && free.output).toMatch(/TOKEN: canary-0f2c8d/);
    expect("output" in free && free.output).toMatch(/environ: /);
    // The second wall, for builds that name no file outside of their own directories.
    const restricted = await runKustomize(await kustomizeBinary(), root, "", { unrestricted: false });
    expect("error" in restricted && restricted.error).toMatch(/security; file '.*secret.env' is not in or below/);
  });

  it("KS-070: is in no output, whatever the way to it", async () => {
    for (const path of [
      join(outside, "secret.env"),
      `../../../../../../..${outside}/secret.env`,
      "/proc/self/environ",
    ]) {
      const stolen = { configMapGenerator: [{ name: "x", envs: [path] }] };
      for (const text of [
        await outcome({ "kustomization.yaml": stolen }),
        await outcome({ "a/kustomization.yaml": { resources: ["../b"] }, "b/kustomization.yaml": stolen }, "a"),
        await outcome({ "a.yaml": configMap("a"), "b/c/kustomization.yaml": stolen }),
      ]) {
        expect(text).toMatch(/security; path/);
        expect(text).not.toContain(canary);
      }
    }
  });

  it("KS-027, KS-070: is not reached by a symbolic link", async () => {
    const archive = pack();
    const all = buffer(archive);
    archive.entry({ name: "link.env", type: "symlink", linkname: join(outside, "secret.env") });
    archive.entry({ name: "up", type: "symlink", linkname: ".." });
    archive.entry({ name: "environ", type: "symlink", linkname: "/proc/self/environ" });
    archive.entry(
      { name: "kustomization.yaml" },
      JSON.stringify({ configMapGenerator: [{ name: "x", envs: ["link.env"], files: ["environ"] }] }),
    );
    archive.entry({ name: "dir/kustomization.yaml" }, JSON.stringify({ resources: ["../up"] }));
    archive.finalize();
    const artifact = await openArtifact(gzipSync(await all));
    await expect(build(artifact, {})).rejects.toThrow(/link.env: no such file or directory/);
    await expect(build(artifact, { path: "dir" })).rejects.toThrow(/no such file or directory/);
  });

  it("is not reached through what kustomize reads differently", async () => {
    for (const text of [
      `configMapGenerator:\n- name: x\n  envs: &a [ok.env]\n  ENVS: [${outside}/secret.env]\n`,
      `configMapGenerator:\n- name: x\n  <<: {envs: [${outside}/secret.env]}\n`,
      `a: &a [${outside}/secret.env]\nconfigMapGenerator:\n- {name: x, envs: *a}\n`,
      `configMapGenerator: [{name: x, envs: ["${outside.replace("/", "\\x2f")}/secret.env"]}]\n`,
      `--- {}\n---\nconfigMapGenerator: [{name: x, envs: [${outside}/secret.env]}]\n`,
      `configMapGenerator: [{name: x, envs: [!!str ${outside}/secret.env]}]\n`,
      `configMapGenerator: [{name: x, files: ["k=${outside}/secret.env"]}]\n`,
      `configMapGenerator: [{name: x, files: ["k=x=${outside}/secret.env"]}]\n`,
    ]) {
      const files = {
        "base/ok.env": "A=b",
        "base/kustomization.yaml": text,
        "kustomization.yaml": { resources: ["base"] },
      };
      for (const path of [".", "base"]) expect(await outcome(files, path), text).not.toContain(canary);
    }
  });
});
