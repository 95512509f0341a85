import { appendFile, mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { createLocalRecordStore, type LocalRecordStore, type RecordExpiry } from "./record-store.ts";

let directory: string;
let stores: LocalRecordStore[];
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "sluice-records-"));
  stores = [];
});
afterEach(async () => {
  vi.useRealTimers();
  for (const store of stores) store.close();
  await rm(directory, { recursive: true, force: true });
});

function open(expiry?: RecordExpiry[]): LocalRecordStore {
  const store = createLocalRecordStore(directory, expiry);
  stores.push(store);
  return store;
}

describe("the local records", () => {
  it("are there after the process was killed, with their versions; a cut-off write never was", async () => {
    const first = open();
    const version = await first.put("a/b", { n: 1 }, "absent");
    await first.put("a/c", 1, "absent");
    await first.remove("a/c", "any");
    await appendFile(join(directory, "records.journal"), '["put","a/b","{\\"n\\":2');
    const second = open();
    expect(await second.get("a/b")).toEqual({ value: { n: 1 }, version });
    expect(await second.get("a/c")).toBeUndefined();
    await second.put("a/b", { n: 3 }, { version });
  });

  it("do not grow by what was overwritten, nor by what is written again", async () => {
    const store = open();
    const value = "x".repeat(100_000);
    for (let n = 0; n < 200; n++) {
      await store.put("a/large", `${n}${value}`, "any");
      expect(await readFile(join(directory, "records.journal"), "utf8")).toContain(`"${n}x`);
    }
    expect((await stat(join(directory, "records.journal"))).size).toBeLessThan(5 * 1024 * 1024);
    const { size } = await stat(join(directory, "records.journal"));
    await store.put("a/large", `199${value}`, "any");
    expect((await stat(join(directory, "records.journal"))).size).toBe(size);
  });

  it("are forgotten after their time where they have one", async () => {
    vi.useFakeTimers({ toFake: ["Date"] });
    const first = open();
    await first.put("notified/a", 1, "any");
    await first.put("applied/a", 1, "any");
    vi.advanceTimersByTime(90_000_000);
    const second = open([{ prefix: "notified/", seconds: 86_400 }]);
    expect(await second.get("notified/a")).toBeUndefined();
    expect((await second.get("applied/a"))?.value).toBe(1);
  });

  it("are forgotten after their time while the host goes on, too", async () => {
    vi.useFakeTimers({ toFake: ["Date"] });
    const store = open([{ prefix: "tokens/", seconds: 86_400 }]);
    await store.put("tokens/a", "sealed", "any");
    await store.put("applied/a", 1, "any");
    vi.advanceTimersByTime(80_000_000);
    await store.put("tokens/b", "sealed", "any");
    vi.advanceTimersByTime(10_000_000);
    await store.put("applied/b", 1, "any");
    expect(await store.get("tokens/a")).toBeUndefined();
    expect(await store.get("tokens/b")).toBeDefined();
    expect((await store.get("applied/a"))?.value).toBe(1);
    const journal = (await readFile(join(directory, "records.journal"), "utf8")).trim().split("\n");
    expect(journal).toContain('["removed","tokens/a"]');
  });

  it("give each reader a value of its own", async () => {
    const store = open();
    await store.put("a", { list: [1] }, "any");
    const found = (await store.get("a"))?.value;
    if (found !== null && typeof found === "object" && "list" in found) Object.assign(found, { list: [] });
    expect((await store.get("a"))?.value).toEqual({ list: [1] });
  });

  it("are what they were where a write fails", async () => {
    const store = open();
    const version = await store.put("a", 1, "any");
    store.close();
    await expect(store.put("a", 2, "any")).rejects.toThrow("is closed");
    expect(await store.get("a")).toEqual({ value: 1, version });
  });
});
