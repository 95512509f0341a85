import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readdir, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { controlPlaneBinaries } from "./control-plane/binaries.ts";
import { type GoModule, goBinaries } from "./go-binaries.ts";

const run = promisify(execFile);
let directory: string;
let module: GoModule;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "sluice-go-"));
  vi.stubEnv("XDG_CACHE_HOME", join(directory, "cache"));
  module = { name: "hello", directory, packages: { hello: "." }, ldflags: "-s -w -X main.greeting=hello" };
  await writeFile(join(directory, "go.mod"), "module sluice/hello\n\ngo 1.21\n");
  await writeFile(
    join(directory, "hello.go"),
    "package main\n\nvar greeting string\n\nfunc main() { println(greeting) }\n",
  );
});

afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(directory, { recursive: true, force: true });
});

describe("programs built from Go modules", () => {
  it("test bed: two that ask at once build once, and the next finds it built", async () => {
    const lines: string[] = [];
    const ask = () => goBinaries(module, (line) => lines.push(line));
    const [first, second] = await Promise.all([ask(), ask()]);
    expect(second).toEqual(first);
    const path = first.get("hello") ?? "";
    expect((await run(path)).stderr).toBe("hello\n");
    expect(lines.filter((line) => line.startsWith("built hello"))).toHaveLength(1);
    lines.length = 0;
    await ask();
    expect(lines).toEqual([]);
    expect(await readdir(dirname(path))).toEqual(["hello"]);
  });

  it("test bed: another go.mod is another program, and what a killed build left does not matter", async () => {
    const before = (await goBinaries(module, () => undefined)).get("hello") ?? "";
    await writeFile(join(directory, "go.mod"), "module sluice/hello\n\ngo 1.22\n");
    const after = (await goBinaries(module, () => undefined)).get("hello") ?? "";
    expect(after).not.toBe(before);
    await rm(after);
    const lock = join(dirname(after), "lock");
    await writeFile(lock, "");
    await utimes(lock, 0, 0);
    expect((await goBinaries(module, () => undefined)).get("hello")).toBe(after);
  });

  it("test bed: a missing Go and a broken program are told in a sentence", async () => {
    await writeFile(join(directory, "hello.go"), "package main\n\nfunc main() { nothing() }\n");
    await expect(goBinaries(module, () => undefined)).rejects.toThrow(/go build of hello failed:.*undefined: nothing/s);
    vi.stubEnv("PATH", directory);
    await expect(goBinaries(module, () => undefined)).rejects.toThrow("Go is missing: hello is built from Go modules");
  });

  it("test bed: KUBEBUILDER_ASSETS is used in place of a build", async () => {
    const assets = join(directory, "assets");
    await mkdir(assets);
    for (const name of ["etcd", "kube-apiserver", "kube-controller-manager"]) await writeFile(join(assets, name), "");
    vi.stubEnv("KUBEBUILDER_ASSETS", assets);
    vi.stubEnv("PATH", directory);
    expect(await controlPlaneBinaries(() => undefined)).toEqual({
      etcd: join(assets, "etcd"),
      apiServer: join(assets, "kube-apiserver"),
      controllerManager: join(assets, "kube-controller-manager"),
    });
  });
});
