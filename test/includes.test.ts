import { createHash } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { patchObject } from "../lib/cluster/objects.ts";
import { archivedFiles } from "./bed/archived-files.ts";
import { messageOf, openSources, type Sources } from "./bed/sources.ts";
import { conditionOf, type Reconciled } from "./bed/workspace.ts";

let sources: Sources;

beforeAll(async () => {
  sources = await openSources("includes");
});

afterAll(() => sources?.close());

async function filesOf(object: Reconciled): Promise<string[]> {
  return Object.keys(await archivedFiles(gzipSync(await sources.archive(object)))).sort();
}

type Including = Reconciled["status"] & {
  includedArtifacts?: { revision: string; digest: string }[];
  observedInclude?: unknown[];
  observedRecurseSubmodules?: boolean;
};
const statusOf = ({ status }: Reconciled): Including => status ?? {};

describe("included GitRepositories", () => {
  it("GIT-090, GIT-091, GIT-092, GIT-093, SRC-019, IGN-010, SB-006: are waited for, become part of the artifact, and wake those that include them", async () => {
    const app = await sources.repository({ "app.yaml": "a", "logo.png": "a" });
    const lib = await sources.repository({ "deep/x.yaml": "x", "deep/no.txt": "no", "top.png": "p" });
    const include = [
      { repository: { name: "lib" } },
      { repository: { name: "lib" }, fromPath: "deep", toPath: "vendor/../vendor/lib" },
    ];
    await sources.gitRepository("app", app.url, { include });
    const missing = await sources.untilFailed("app", "NotFound");
    const name = 'GitRepository.source.toolkit.fluxcd.io "lib" not found';
    expect(messageOf(missing)).toBe(`could not get resource for include 'lib': ${name}`);
    expect(conditionOf(missing.status, "IncludeUnavailable")).toMatchObject({ status: "True", reason: "NotFound" });
    expect(conditionOf(missing.status, "Stalled")).toBeUndefined();

    await sources.gitRepository("lib", lib.url, { ref: { branch: "none" } });
    const reconciled = await sources.reconciled("app");
    expect(messageOf(reconciled)).toBe("no artifact available for include 'lib'");
    await sources.patch("GitRepository", "lib", { spec: { ref: { branch: "main" } } });
    const first = await sources.untilReady("GitRepository", "app");
    const included = await sources.untilReady("GitRepository", "lib");
    const expected = ["app.yaml", "lib", "lib/deep", "lib/deep/no.txt", "lib/deep/x.yaml", "vendor", "vendor/lib"];
    expect(await filesOf(first)).toEqual([...expected, "vendor/lib/no.txt", "vendor/lib/x.yaml"]);
    expect(statusOf(first).observedInclude).toEqual(include);
    const { digest = "", revision = "" } = included.status?.artifact ?? {};
    expect(statusOf(first).includedArtifacts).toMatchObject([
      { digest, revision },
      { digest, revision },
    ]);

    await lib.commit({ "deep/.sourceignore": "no.txt\n" });
    await sources.reconcile("GitRepository", "lib");
    const changed = await sources.until(
      "GitRepository",
      "app",
      (object) =>
        statusOf(object).includedArtifacts?.[0]?.revision !== revision &&
        conditionOf(object.status, "Ready")?.status === "True",
    );
    // A .sourceignore anywhere takes the default exclusions away from the whole, and the include's own artifact was made so too.
    expect(await filesOf(changed)).toEqual([
      ...["app.yaml", "lib", "lib/deep", "lib/deep/.sourceignore", "lib/deep/x.yaml", "lib/top.png", "logo.png"],
      ...["vendor", "vendor/lib", "vendor/lib/.sourceignore", "vendor/lib/x.yaml"],
    ]);
    expect(changed.status?.artifact?.revision).toBe(first.status?.artifact?.revision);
    expect(changed.status?.artifact?.digest).not.toBe(first.status?.artifact?.digest);
  });

  it("GIT-042: paths, order and count of includes rebuild at the same revision", async () => {
    const { repository } = await sources.source("one");
    await sources.source("two");
    await sources.gitRepository("changing", repository.url, { include: [{ repository: { name: "one" } }] });
    await sources.untilReady("GitRepository", "changing");
    const specs = [
      [{ repository: { name: "one" }, toPath: "elsewhere" }],
      [{ repository: { name: "one" }, fromPath: "app", toPath: "elsewhere" }],
      [{ repository: { name: "one" } }, { repository: { name: "two" } }],
      [{ repository: { name: "two" } }, { repository: { name: "one" } }],
      [],
    ];
    const found: string[] = [];
    for (const include of specs) {
      const object = await sources.edited("changing", { include });
      expect(statusOf(object).observedInclude ?? []).toEqual(include);
      found.push((await filesOf(object)).filter((path) => path.endsWith(".txt")).join(" "));
    }
    expect(found).toEqual([
      "app/a.txt elsewhere/app/a.txt",
      "app/a.txt elsewhere/a.txt",
      "app/a.txt one/app/a.txt two/app/a.txt",
      "app/a.txt one/app/a.txt two/app/a.txt",
      "app/a.txt",
    ]);
  });

  it("GIT-094: paths stay within the artifact and the tree, and a place that is taken is not overwritten", async () => {
    await sources.source("whole");
    const stream = [
      "commit refs/heads/main\ncommitter A <a@b.test> 1 +0000\ndata 1\nx\n",
      "M 100644 inline own/file.txt\ndata 1\nx\n",
      "M 120000 inline out\ndata 12\n../../../tmp\n",
      "M 120000 inline loop\ndata 4\nloop\n",
    ];
    const repository = await sources.repository({ "a.txt": "a" });
    await repository.git(["fast-import", "--quiet", "--force", "--date-format=raw"], stream.join(""));
    const of = (fromPath: string, toPath: string) => ({
      include: [{ repository: { name: "whole" }, fromPath, toPath }],
    });
    await sources.gitRepository("confined", repository.url, of("../../../app", "out/../../../etc"));
    const object = await sources.untilReady("GitRepository", "confined");
    expect(await filesOf(object)).toEqual(["etc", "etc/a.txt", "own", "own/file.txt"]);
    expect(await filesOf(await sources.edited("confined", of("app", "out/x")))).toEqual([
      "own",
      "own/file.txt",
      "tmp",
      "tmp/x",
      "tmp/x/a.txt",
    ]);
    const failing: [string, string, string, string][] = [
      [
        "app",
        "loop/x",
        "IllegalPath",
        "path calculation for include 'whole' failed: too many levels of symbolic links",
      ],
      [
        "none",
        "x",
        "CopyFailure",
        "failed to copy 'whole' include from none to x: cannot stat none: no such file or directory",
      ],
      ["app", "own", "CopyFailure", "failed to copy 'whole' include from app to own: file exists"],
      [
        "app",
        "own/file.txt/x",
        "CopyFailure",
        "failed to copy 'whole' include from app to own/file.txt/x: not a directory",
      ],
    ];
    for (const [fromPath, toPath, reason, message] of failing) {
      await sources.patch("GitRepository", "confined", { spec: of(fromPath, toPath) });
      const failed = await sources.until("GitRepository", "confined", (current) => messageOf(current) === message);
      expect(conditionOf(failed.status, "StorageOperationFailed")).toMatchObject({ status: "True", reason });
    }
    // What was missing and is there now is missing no more, whatever else is wrong.
    await sources.patch("GitRepository", "confined", { spec: { include: [{ repository: { name: "absent" } }] } });
    await sources.untilFailed("confined", "NotFound");
    await sources.patch("GitRepository", "confined", { spec: of("none", "x") });
    const again = await sources.untilFailed("confined", "CopyFailure");
    expect(conditionOf(again.status, "IncludeUnavailable")).toBeUndefined();
  });

  it("GIT-092, GIT-093: one whose artifact is just being replaced is waited for, and nobody is told of it", async () => {
    const { repository, object } = await sources.source("replaced");
    const bytes = gzipSync(await sources.archive(object), { level: 1 });
    const digest = `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
    expect(digest).not.toBe(object.status?.artifact?.digest);
    await writeFile(join(sources.stored, object.status?.artifact?.path ?? ""), bytes);
    await sources.gitRepository("waiting", repository.url, { include: [{ repository: { name: "replaced" } }] });
    const isLookedAt = (current: Reconciled) => conditionOf(current.status, "Reconciling") !== undefined;
    await sources.until("GitRepository", "waiting", isLookedAt);
    await sleep(300);
    const merge = { status: { artifact: { digest, size: bytes.length } } };
    const { apiVersion, kind, metadata } = object;
    const reference = { apiVersion, kind, namespace: sources.namespace, name: metadata.name };
    const options = { fieldManager: "source-controller", subresource: "status" };
    await patchObject(sources.client, reference, { merge }, options);
    const waiting = await sources.untilReady("GitRepository", "waiting");
    expect(await filesOf(waiting)).toContain("replaced/app/a.txt");
    expect((await sources.told("waiting")).filter(([type]) => type === "Warning")).toEqual([]);
  });

  it("GIT-095: that include each other use what the other has, without end or crash", async () => {
    const { repository } = await sources.source("left");
    await sources.gitRepository("right", repository.url, { include: [{ repository: { name: "left" } }] });
    await sources.untilReady("GitRepository", "right");
    const left = await sources.edited("left", { include: [{ repository: { name: "right" } }] });
    expect(await filesOf(left)).toContain("right/left/app/a.txt");
    const before = (await sources.told("left")).length + (await sources.told("right")).length;
    await sleep(1500);
    expect((await sources.told("left")).length + (await sources.told("right")).length).toBeLessThan(before + 4);
    const next = await sources.reconciled("right");
    expect(await filesOf(next)).toContain("left/right/left/app/a.txt");
    await sources.remove("right");
    await sources.remove("left");
  });
});

describe("submodules of a GitRepository", () => {
  it("GIT-042, GIT-105: are fetched when they are asked for, at the same revision", async () => {
    const { repository } = await sources.source("outer");
    const inner = await sources.repository({ "inner.txt": "x" });
    const commit = (await inner.git(["rev-parse", "main"])).trim();
    const modules = `[submodule "m"]\n\tpath = m\n\turl = ${inner.url}\n`;
    const stream = [
      "commit refs/heads/main\ncommitter A <a@b.test> 1 +0000\ndata 1\nx\n",
      `M 100644 inline .gitmodules\ndata ${modules.length}\n${modules}\n`,
      `M 160000 ${commit} m\n`,
    ];
    await repository.git(["fast-import", "--quiet", "--force", "--date-format=raw"], stream.join(""));
    expect(await filesOf(await sources.reconciled("outer"))).toEqual(["m"]);
    const object = await sources.edited("outer", { recurseSubmodules: true });
    expect(statusOf(object).observedRecurseSubmodules).toBe(true);
    expect(await filesOf(object)).toEqual(["m", "m/inner.txt"]);
    expect(await filesOf(await sources.edited("outer", { recurseSubmodules: false }))).toEqual(["m"]);
  });
});

describe("a GitRepository that names a range of versions", () => {
  it("GIT-043, SB-003: lists tags at each look, and fetches only when another is chosen", async () => {
    const repository = await sources.repository({ "a.txt": "a" });
    await repository.commit({ "a.txt": "b" }, { tag: "1.0.0" });
    await sources.gitRepository("ranged", repository.url, { ref: { semver: "1.x" } });
    await sources.untilReady("GitRepository", "ranged");
    const requestsOf = async (): Promise<number> => {
      sources.git.requests.length = 0;
      await sources.reconciled("ranged");
      return sources.git.requests.filter(
        ({ method, path }) => method === "POST" && path.includes(repository.url.split("/").at(-1) ?? ""),
      ).length;
    };
    expect(await requestsOf()).toBe(1);
    await repository.commit({ "a.txt": "c" }, { tag: "2.0.0" });
    expect(await requestsOf()).toBe(1);
    const commit = await repository.commit({ "a.txt": "d" }, { tag: "1.1.0" });
    expect(await requestsOf()).toBe(2);
    const object = await sources.find("GitRepository", "ranged");
    expect(object?.status?.artifact?.revision).toBe(`1.1.0@sha1:${commit}`);
  });
});
