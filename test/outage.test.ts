import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Json, RecordStore } from "../lib/platform/ports.ts";
import { readHistory } from "../lib/reconcilers/source/artifact-history.ts";
import { bedPart } from "./bed/bed.ts";
import { messageOf, openSources, type Sources } from "./bed/sources.ts";
import { conditionOf } from "./bed/workspace.ts";

let sources: Sources;

/** The records as the running Sluice has written them down, which alone may write there. */
async function recordsOf(journal: string): Promise<Pick<RecordStore, "get">> {
  const records = new Map<string, Json>();
  for (const line of (await readFile(journal, "utf8")).split("\n").filter((text) => text !== "")) {
    const [type, key, text] = JSON.parse(line);
    if (type === "removed") records.delete(key);
    else records.set(key, JSON.parse(text));
  }
  return {
    get: async (key) => {
      const value = records.get(key);
      return value === undefined ? undefined : { value, version: "" };
    },
  };
}

beforeAll(async () => {
  sources = await openSources("outage");
});

afterAll(() => sources?.close());

describe("a Git server that is down", () => {
  it("SB-011, ART-015: leaves what was fetched, served and in its history, and the status says since when", async () => {
    const { repository, object } = await sources.source("app");
    const revisions = [object.status?.artifact?.revision];
    for (const content of ["two", "three", "four"]) {
      await repository.commit({ "app/a.txt": content });
      revisions.push((await sources.reconciled("app")).status?.artifact?.revision);
    }
    await sources.git.stop();
    await sources.reconcile("GitRepository", "app");
    const down = await sources.untilFailed("app", "GitOperationFailed");
    expect(down.status?.artifact?.revision).toBe(revisions.at(-1));
    await sources.archive(down);
    const since = conditionOf(down.status, "FetchFailed")?.lastTransitionTime;
    // A second look, which fails as well, keeps the time of the first.
    const later = await sources.reconciled("app");
    expect(conditionOf(later.status, "FetchFailed")).toMatchObject({ status: "True", lastTransitionTime: since });
    expect(messageOf(later)).toMatch(/connection refused|ECONNREFUSED/i);

    const { artifacts, records } = await bedPart("sluice");
    const clusterId = "bed";
    const read = async () => readHistory({ records: await recordsOf(records), clusterId }, later);
    const history = await read();
    expect(history.map(({ revision }) => revision)).toEqual([...revisions].reverse());
    const folder = join(artifacts, "history", clusterId, "gitrepository", sources.namespace, "app");
    const [, , ...past] = history;
    const kept = await readdir(folder);
    for (const { digest, size } of past) {
      const name = digest.replace(":", "-");
      expect(kept).toContain(name);
      expect((await readFile(join(folder, name))).length).toBe(size);
    }

    await sources.remove("app");
    await sources.untilGone("GitRepository", "app");
    expect(await readdir(folder).catch(() => [])).toEqual([]);
    expect(await read()).toEqual([]);
  });
});
