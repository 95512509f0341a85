import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { GitRepository } from "../lib/host/git/repository.ts";
import { messageOf, openSources, type Sources, typesOf } from "./bed/sources.ts";
import { type ObjectWatch, watchObject } from "./bed/watch.ts";
import { conditionOf } from "./bed/workspace.ts";

let sources: Sources;

beforeAll(async () => {
  sources = await openSources("git-repository");
});

afterAll(() => sources?.close());

/** Packs that were asked for, and listings of references, while `work` ran. */
async function requestsOf(work: () => Promise<unknown>): Promise<number> {
  sources.git.requests.length = 0;
  await work();
  return sources.git.requests.filter(({ method }) => method === "POST").length;
}

describe("a GitRepository becomes Ready", () => {
  let repository: GitRepository;
  let revision: string;
  const subject = "A subject that is longer than fifty characters, as a few are";

  beforeAll(async () => {
    repository = await sources.repository({ "app/a.txt": "one\n" });
    const commit = await repository.commit({ "app/a.txt": "two\n" }, { message: `${subject}\n\nAnd a body.` });
    revision = `main@sha1:${commit}`;
    await sources.create({
      apiVersion: "source.toolkit.fluxcd.io/v1",
      kind: "GitRepository",
      metadata: { name: "app", annotations: { "event.toolkit.fluxcd.io/team": "a" } },
      spec: { url: repository.url, interval: "1h", ref: { branch: "main" } },
    });
  });

  it("SRC-005, SRC-011, SRC-012, ART-001, ART-022: with conditions and an artifact as Flux writes them", async () => {
    const object = await sources.untilReady("GitRepository", "app");
    expect(object.metadata.finalizers).toEqual(["finalizers.fluxcd.io"]);
    expect(typesOf(object)).toEqual(["ArtifactInStorage", "Ready"]);
    for (const type of ["ArtifactInStorage", "Ready"]) {
      expect(conditionOf(object.status, type)).toMatchObject({
        ...{ status: "True", reason: "Succeeded", observedGeneration: 1 },
        message: `stored artifact for revision '${revision}'`,
      });
    }
    expect(object.status).toEqual({
      artifact: {
        digest: expect.stringMatching(/^sha256:[0-9a-f]{64}$/),
        lastUpdateTime: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/),
        path: expect.any(String),
        revision,
        size: expect.any(Number),
        url: expect.any(String),
      },
      conditions: expect.any(Array),
      observedGeneration: 1,
    });
  });

  it("ART-002, ART-003, ART-004, ART-021, GIT-020: its artifact is served, whole", async () => {
    const object = await sources.untilReady("GitRepository", "app");
    const { path = "", url = "" } = object.status?.artifact ?? {};
    const commit = revision.split(":")[1];
    expect(path).toBe(`gitrepository/${sources.namespace}/app/${commit}.tar.gz`);
    const [, token, ...key] = new URL(url).pathname.slice(1).split("/");
    expect(url).toBe(`${sources.sluice.endpoint}/artifacts/${token}/bed/${path}`);
    expect([token, key.join("/")]).toEqual([expect.stringMatching(/^[\w-]{43}$/), `bed/${path}`]);
    expect((await sources.archive(object)).toString("latin1")).toContain("two\n");
    expect((await sources.download(url.replace(`${commit}`, "0".repeat(40)))).status).toBe(403);
  });

  it("SRC-026, SRC-030, GIT-110, GIT-111: the event says which commit, in fifty characters", async () => {
    const { status } = await sources.untilReady("GitRepository", "app");
    const events = await sources.events("GitRepository", "app");
    expect(events).toHaveLength(1);
    expect(events[0]).toMatchObject({
      ...{ type: "Normal", reason: "NewArtifact", source: { component: "source-controller" } },
      message: `stored artifact for commit '${subject.slice(0, 50)}...'`,
    });
    expect(events[0]?.metadata.annotations).toEqual({
      "source.toolkit.fluxcd.io/revision": revision,
      "source.toolkit.fluxcd.io/digest": status?.artifact?.digest,
      "event.toolkit.fluxcd.io/team": "a",
    });
  });

  it("SRC-008: a new generation shows before its work", async () => {
    const watch = await watchObject(sources.sluice, "GitRepository", sources.namespace, "app");
    await sources.edited("app", { interval: "2h" });
    watch.stop();
    expect(announced(watch)).toEqual(["processing object: new generation 1 -> 2"]);
    expect(readiness(watch)).toEqual(["True"]);
  });

  it("SRC-009, SRC-010, ART-018, GIT-040: a pass without a change asks for no pack and keeps Ready", async () => {
    const before = await sources.untilReady("GitRepository", "app");
    const watch = await watchObject(sources.sluice, "GitRepository", sources.namespace, "app");
    expect(await requestsOf(() => sources.reconciled("app"))).toBe(1);
    watch.stop();
    const after = await sources.untilReady("GitRepository", "app");
    expect(announced(watch)).toEqual(["reconciliation in progress"]);
    expect(readiness(watch)).toEqual(["True"]);
    expect(after.status?.artifact).toEqual(before.status?.artifact);
    expect(typesOf(after)).toEqual(["ArtifactInStorage", "Ready"]);
  });

  it("SRC-028, SRC-029: what did not change is a trace, and a trace alone", async () => {
    const events = (await sources.told("app")).slice(1);
    expect(events).toHaveLength(2);
    for (const event of events) {
      expect(event).toEqual([
        "Normal",
        "GitOperationSucceeded",
        `no changes since last reconciliation: observed revision '${revision}'`,
      ]);
    }
  });

  it("SRC-006, SRC-031: a label and a foreign condition wake nothing, and stay", async () => {
    const foreign = {
      type: "Audited",
      status: "True",
      reason: "Yes",
      message: "",
      lastTransitionTime: "2026-01-01T00:00:00Z",
    };
    const { status } = await sources.untilReady("GitRepository", "app");
    const asked = await requestsOf(async () => {
      await sources.patch("GitRepository", "app", { metadata: { labels: { a: "b" }, annotations: { a: "b" } } });
      await sources.client.request({
        method: "PATCH",
        path: `/apis/source.toolkit.fluxcd.io/v1/namespaces/${sources.namespace}/gitrepositories/app/status`,
        contentType: "application/merge-patch+json",
        body: { status: { conditions: [...(status?.conditions ?? []), foreign] } },
      });
      await sources.reconciled("app");
    });
    expect(asked).toBe(1);
    const after = await sources.untilReady("GitRepository", "app");
    expect(conditionOf(after.status, "Audited")).toMatchObject({ status: "True", reason: "Yes" });
    const managers = after.metadata.managedFields?.filter(({ subresource }) => subresource === "status");
    expect(managers?.map(({ manager }) => manager)).toContain("source-controller");
  });
});

/** The messages of Reconciling that showed, in order. */
function announced({ seen }: ObjectWatch): string[] {
  const messages = seen.map((object) => messageOf(object, "Reconciling")).filter((text) => text !== "");
  return [...new Set(messages)];
}

/** What Ready was, each once. */
function readiness({ seen }: ObjectWatch): string[] {
  return [...new Set(seen.map(({ status }) => conditionOf(status, "Ready")?.status ?? "none"))];
}

describe("what cannot be fetched", () => {
  it("SRC-007, SRC-015, SRC-025, GIT-017: is told, answered and kept apart from the artifact", async () => {
    const { repository, object: good } = await sources.source("broken");
    await sources.patch("GitRepository", "broken", { spec: { ref: { branch: "none" } } });
    const failed = await sources.untilFailed("broken", "GitOperationFailed");
    const words = `failed to checkout and determine revision: unable to clone '${repository.url}': couldn't find remote ref "refs/heads/none"`;
    expect(messageOf(failed)).toBe(words);
    expect(conditionOf(failed.status, "FetchFailed")).toMatchObject({
      ...{ status: "True", reason: "GitOperationFailed", message: words, observedGeneration: 2 },
    });
    expect(conditionOf(failed.status, "Reconciling")).toMatchObject({
      ...{ status: "True", reason: "ProgressingWithRetry" },
      message: "processing object: new generation 1 -> 2",
    });
    expect(failed.status).toMatchObject({ observedGeneration: 1, artifact: good.status?.artifact });
    expect(conditionOf(failed.status, "ArtifactInStorage")?.status).toBe("True");
    await sources.archive(failed);
    expect((await sources.told("broken")).at(-1)).toEqual(["Warning", "GitOperationFailed", words]);
    const answered = await sources.reconciled("broken");
    expect(conditionOf(answered.status, "Ready")?.status).toBe("False");
  });

  it("SRC-027, GIT-110: recovers with one event, that names the revision", async () => {
    const before = await sources.find("GitRepository", "broken");
    const warnings = (await sources.told("broken")).length;
    const object = await sources.edited("broken", { ref: { branch: "main" } });
    expect(object.status?.artifact).toEqual(before?.status?.artifact);
    expect(typesOf(object)).toEqual(["ArtifactInStorage", "Ready"]);
    const revision = object.status?.artifact?.revision;
    const recovery = (await sources.told("broken")).slice(warnings).filter(([type]) => type !== "Warning");
    expect(recovery).toEqual([
      ["Normal", "GitOperationSucceeded", `no changes since last reconciliation: observed revision '${revision}'`],
      ["Normal", "Succeeded", `stored artifact for commit '${revision}'`],
    ]);
  });

  it("SRC-017: is tried again, each time after twice the time", async () => {
    await sources.gitRepository("patient", `${sources.git.url}/nothing.git`);
    const tries = async () =>
      (await sources.events("GitRepository", "patient")).map(({ metadata }) => timeOf(metadata.name));
    let times: number[] = [];
    for (let waited = 0; times.length < 3 && waited < 30_000; waited += 100) {
      await sleep(100);
      times = await tries();
    }
    const [first = 0, second = 0, third = 0] = times;
    expect(second - first).toBeGreaterThanOrEqual(740);
    expect(third - second).toBeGreaterThanOrEqual(1490);
  });

  it("SRC-016, GIT-002: and what only an edit can mend is stalled, until it is edited or asked for", async () => {
    await sources.gitRepository("stalled", "https://[::1");
    const words = `failed to parse url 'https://[::1': parse "https://[::1": missing ']' in host`;
    const stalled = await sources.untilFailed("stalled", "URLInvalid");
    for (const type of ["FetchFailed", "Stalled"])
      expect(conditionOf(stalled.status, type)).toMatchObject({ status: "True", reason: "URLInvalid", message: words });
    expect(typesOf(stalled)).toEqual(["FetchFailed", "Ready", "Stalled"]);
    expect(stalled.status).toMatchObject({ observedGeneration: 1 });
    await sleep(1500);
    expect(await sources.told("stalled")).toEqual([["Warning", "URLInvalid", words]]);
    await sources.reconciled("stalled");
    expect(await sources.told("stalled")).toHaveLength(2);
    const repository = await sources.repository({ "a.txt": "a" });
    const object = await sources.edited("stalled", { url: repository.url });
    expect(typesOf(object)).toEqual(["ArtifactInStorage", "Ready"]);
  });

  it("GIT-022: a server that says nothing is left after spec.timeout", async () => {
    const { git } = sources;
    const repository = await sources.repository({ "a.txt": "a" });
    const path = new URL(repository.url).pathname;
    git.intercept = (request) => request.url?.startsWith(path) ?? false;
    try {
      await sources.gitRepository("silent", repository.url, { timeout: "1s" });
      expect(messageOf(await sources.untilFailed("silent", "GitOperationFailed"))).toBe(
        `failed to checkout and determine revision: unable to clone '${repository.url}': context deadline exceeded`,
      );
    } finally {
      git.intercept = () => false;
    }
    await sources.untilReady("GitRepository", "silent", 30);
  });
});

/** When an event was told, in milliseconds: its name ends in hexadecimal nanoseconds. */
function timeOf(name: string): number {
  return Number(BigInt(`0x${name.slice(name.lastIndexOf(".") + 1)}`) / 1_000_000n);
}

describe("what is suspended or deleted", () => {
  it("SRC-020, SRC-021, SRC-007: a suspended object answers and does nothing else", async () => {
    const { repository, object } = await sources.source("suspended");
    await sources.patch("GitRepository", "suspended", { spec: { suspend: true } });
    const commit = await repository.commit({ "app/a.txt": "two\n" });
    await rm(join(sources.stored, object.status?.artifact?.path ?? ""));
    const asked = await requestsOf(async () => {
      const { status } = await sources.reconciled("suspended");
      const { lastHandledReconcileAt, conditions } = status ?? {};
      // Who waits for its generation need not wait for as long as it is suspended.
      const observed = (object.status?.conditions ?? []).map((one) =>
        one.type === "Ready" ? { ...one, observedGeneration: 2 } : one,
      );
      expect(conditions).toEqual(observed);
      const known = { ...object.status, observedGeneration: 2, lastHandledReconcileAt, conditions };
      expect(status).toEqual(known);
    });
    expect(asked).toBe(0);
    const resumed = await sources.edited("suspended", { suspend: false });
    expect(resumed.status?.artifact?.revision).toBe(`main@sha1:${commit}`);
    await sources.archive(resumed);
  });

  it("SRC-022: what was stored goes with the object, suspended or not", async () => {
    const object = await sources.edited("suspended", { interval: "2h" });
    await sources.patch("GitRepository", "suspended", { spec: { suspend: true } });
    await sources.remove("suspended");
    await sources.untilGone("GitRepository", "suspended");
    expect(await sources.files("suspended")).toEqual([]);
    expect((await sources.download(object.status?.artifact?.url ?? "")).status).toBe(404);
    expect((await sources.told("suspended")).at(-1)).toEqual([
      "Normal",
      "GarbageCollectionSucceeded",
      "garbage collected artifacts for deleted resource",
    ]);
  });

  it("SRC-024: an object that is deleted twice goes without an error", async () => {
    await sources.source("twice");
    const again = () => sources.remove("twice").catch(() => undefined);
    await Promise.all([sources.remove("twice"), again(), again()]);
    await sources.untilGone("GitRepository", "twice");
    await again();
    expect((await sources.told("twice")).filter(([type]) => type === "Warning")).toEqual([]);
    expect(await sources.files("twice")).toEqual([]);
  });

  it("SRC-023: what cannot be removed keeps the object, and is tried again", async () => {
    await sources.source("held");
    // The store refuses names with a backslash, and so to remove this file.
    const obstacle = join(sources.stored, "gitrepository", sources.namespace, "held", "a\\b");
    await writeFile(obstacle, "");
    await sources.remove("held");
    const failure = async () => (await sources.told("held")).find(([type]) => type === "Warning");
    for (let waited = 0; (await failure()) === undefined && waited < 20_000; waited += 50) await sleep(50);
    expect((await failure())?.[1]).toBe("GarbageCollectionFailed");
    expect((await failure())?.[2]).toMatch(/^garbage collection for deleted resource failed: /);
    expect((await sources.find("GitRepository", "held"))?.metadata.finalizers).toEqual(["finalizers.fluxcd.io"]);
    await rm(obstacle);
    await sources.untilGone("GitRepository", "held", 30);
    expect(await sources.files("held")).toEqual([]);
  });
});
