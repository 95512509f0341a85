import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openSources, type Sources } from "./bed/sources.ts";
import { conditionOf, openWorkspace } from "./bed/workspace.ts";

let sources: Sources;

beforeAll(async () => {
  sources = await openSources("once");
});

afterAll(() => sources?.close());

/** Requests that a repository's server got: how often it was asked what there is, and for content. */
function asked(path: string): { advertisements: number; commands: number } {
  const requests = sources.git.requests.filter((request) => request.path.includes(path));
  return {
    advertisements: requests.filter(({ path: of }) => of.includes("info/refs")).length,
    commands: requests.filter(({ method }) => method === "POST").length,
  };
}

describe("a repository that many objects use", () => {
  const costs = new Map<number, { made: unknown; pushed: unknown }>();

  it.each([1, 10, 50])("SB-002, SB-005: costs the same for %i objects, made at once and at a push", async (count) => {
    const repository = await sources.repository({ "app/a.txt": "one\n" });
    const path = new URL(repository.url).pathname;
    const names = Array.from({ length: count }, (_, index) => `of-${count}-${index}`);
    await Promise.all(names.map((name) => sources.gitRepository(name, repository.url, { interval: "1h" })));
    const made = await Promise.all(names.map((name) => sources.untilReady("GitRepository", name, 60)));
    expect(new Set(made.map(({ status }) => status?.artifact?.digest)).size).toBe(1);
    for (const object of made) await sources.archive(object);
    const first = asked(path);
    const call = await sources.receiver(
      `hook-${count}`,
      "generic",
      names.map((name) => ({ kind: "GitRepository", name })),
    );
    const commit = await repository.commit({ "app/a.txt": "two\n" });
    expect(await call()).toBe(200);
    const revision = `main@sha1:${commit}`;
    const moved = await Promise.all(
      names.map((name) =>
        sources.until("GitRepository", name, ({ status }) => status?.artifact?.revision === revision, 60),
      ),
    );
    for (const object of moved) await sources.archive(object);
    const both = asked(path);
    costs.set(count, { made: first, pushed: { advertisements: both.advertisements, commands: both.commands } });
    expect(costs.get(count)).toEqual(costs.get(1));
    // Each object tells of the new revision, whoever fetched it (SRC-026).
    const events = await sources.told(names.at(-1) ?? "");
    expect(events.filter(([, reason]) => reason === "NewArtifact")).toHaveLength(2);
  });

  it("SB-002: objects with other credentials ask for themselves, and a wrong password gets nothing of a right one's", async () => {
    const guarded = await openWorkspace("once", { git: { basic: { username: "bot", password: "right" } } });
    try {
      const repository = await guarded.repository({ "app/a.txt": "secret\n" });
      const make = async (name: string, password: string) => {
        const stringData = { username: "bot", password };
        await guarded.create({ apiVersion: "v1", kind: "Secret", metadata: { name }, stringData });
        await guarded.gitRepository(name, repository.url, { secretRef: { name } });
      };
      await make("right", "right");
      await guarded.untilReady("GitRepository", "right");
      await make("wrong", "revoked");
      const { status } = await guarded.until(
        "GitRepository",
        "wrong",
        (object) => conditionOf(object.status, "FetchFailed")?.status === "True",
      );
      expect(status?.artifact).toBeUndefined();
    } finally {
      await guarded.close();
    }
  });
});

describe("a push that names its commit", () => {
  it("SB-001: fetches it, also where the push comes late or names something else", async () => {
    const { repository, object } = await sources.source("named");
    const send = await sources.receiver("named", "github", [{ kind: "GitRepository", name: "named" }]);
    const [, first = ""] = (object.status?.artifact?.revision ?? "").split("sha1:");
    const second = await repository.commit({ "app/a.txt": "two\n" });
    expect(await send(second)).toBe(200);
    const at = (commit: string) =>
      sources.until("GitRepository", "named", ({ status }) => status?.artifact?.revision === `main@sha1:${commit}`);
    await sources.archive(await at(second));
    // An old push again moves nothing back: the branch is asked for.
    const third = await repository.commit({ "app/a.txt": "three\n" });
    expect(await send(first)).toBe(200);
    await sources.archive(await at(third));
    expect(await send("0123456789".repeat(4))).toBe(200);
    const fourth = await repository.commit({ "app/a.txt": "four\n" });
    expect(await send(fourth)).toBe(200);
    await at(fourth);
  });
});
