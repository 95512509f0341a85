import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { kustomizeBinary } from "./binary.ts";
import { BuildFailed } from "./build-failed.ts";
import { runKustomize } from "./run-kustomize.ts";

let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "sluice-test-"));
  await writeFile(join(root, "kustomization.yaml"), '{"resources":["a.yaml"]}');
  const maps = Array.from(
    { length: 50 },
    (_, index) => `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c${index}}\n`,
  );
  await writeFile(join(root, "a.yaml"), maps.join("---\n"));
});
afterAll(() => rm(root, { recursive: true }));

/** A program in the place of kustomize, for what the real one cannot be made to do. */
async function program(script: string): Promise<string> {
  const path = join(root, `program-${Math.random().toString(36).slice(2)}`);
  await writeFile(path, `#!/bin/sh\n${script}\n`);
  await chmod(path, 0o755);
  return path;
}

const free = { unrestricted: false };

describe("a run of kustomize", () => {
  it("gives the rendered text, or what was wrong", async () => {
    const binary = await kustomizeBinary();
    expect(await runKustomize(binary, root, "", free)).toEqual({
      output: expect.stringMatching(/name: c0[\s\S]*name: c49\n$/),
    });
    expect(await runKustomize(binary, root, "none", free)).toEqual({
      error: expect.stringMatching(
        /^must build at directory: not a valid directory: .* lstat none: no such file or directory$/,
      ),
    });
  });

  it("SN-02: passes nothing of the environment on", async () => {
    const result = await runKustomize(await program("/usr/bin/env"), root, "", free);
    const names =
      "output" in result
        ? result.output
            .trim()
            .split("\n")
            .map((line) => line.split("=")[0])
        : [];
    // The shell adds the last three itself.
    expect(names.filter((name) => !["PWD", "SHLVL", "_", "OLDPWD"].includes(name ?? "")).sort()).toEqual([
      "GOGC",
      "GOMEMLIMIT",
    ]);
  });

  it("has a limit of time", async () => {
    const slow = runKustomize(await program("exec sleep 30"), root, "", { ...free, limits: { milliseconds: 100 } });
    await expect(slow).rejects.toThrow(new BuildFailed("kustomize build failed: not done after 0.1 s"));
  });

  it("has a limit of output", async () => {
    const binary = await kustomizeBinary();
    const large = runKustomize(binary, root, "", { ...free, limits: { bytes: 1000 } });
    await expect(large).rejects.toThrow("kustomize build failed: the output is larger than the limit of 1000 bytes");
  });

  it("ends with the signal, running or waiting", async () => {
    const sleeper = await program("exec sleep 30");
    const stopped = new AbortController();
    const count = Math.max(availableParallelism(), 2) + 2;
    const runs = Array.from({ length: count }, () =>
      runKustomize(sleeper, root, "", { ...free, signal: stopped.signal }),
    );
    const ends = Promise.allSettled(runs);
    setTimeout(() => stopped.abort(new Error("time is over")), 200);
    expect((await ends).map((end) => end.status === "rejected" && String(end.reason))).toEqual(
      Array.from({ length: count }, () => "Error: time is over"),
    );
    expect(await runKustomize(await program("echo done"), root, "", free)).toEqual({ output: "done\n" });
  });

  it("does not wait for its turn when its own time is over", async () => {
    const busy = new AbortController();
    const sleeper = await program("exec sleep 30");
    const count = Math.max(availableParallelism(), 2);
    const others = Array.from({ length: count }, () =>
      runKustomize(sleeper, root, "", { ...free, signal: busy.signal }),
    );
    const waiting = runKustomize(sleeper, root, "", { ...free, signal: AbortSignal.timeout(50) });
    await expect(waiting).rejects.toThrow(/timeout/);
    busy.abort(new Error("enough"));
    expect((await Promise.allSettled(others)).every(({ status }) => status === "rejected")).toBe(true);
    expect(await runKustomize(await program("echo done"), root, "", free)).toEqual({ output: "done\n" });
  });

  it("says when the program is not there", async () => {
    await expect(runKustomize("/nonexistent", root, "", free)).rejects.toThrow(/kustomize could not be started/);
  });
});
