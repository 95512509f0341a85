import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeEach, describe, expect, it } from "vitest";
import { createLocalRecordStore } from "../platform/local/record-store.ts";
import type { RecordStore } from "../platform/ports.ts";
import { type Ledger, openLedger } from "./ledger.ts";

const minute = 60_000;
const interval = 5 * minute;
const object = { kind: "Kustomization", namespace: "apps", name: "web", uid: "u", apiVersion: "v1" };
const directories: string[] = [];

let records: RecordStore;
let now: number;
let ledger: Ledger;

beforeEach(async () => {
  const directory = await mkdtemp(join(tmpdir(), "sluice-ledger-"));
  directories.push(directory);
  records = createLocalRecordStore(directory);
  now = Date.parse("2026-01-01T00:00:00Z");
  ledger = open();
});

afterAll(async () => {
  for (const directory of directories) await rm(directory, { recursive: true, force: true });
});

/** As another process would open it: nothing is shared but the store. */
const open = () => openLedger(records, () => now, "home", object);

describe("the rate limit", () => {
  it("EI-006: lets one event of a key go out an interval, whoever asks", async () => {
    expect(await ledger.admit("key", "1", interval)).toBe(true);
    expect(await open().admit("key", "2", interval)).toBe(false);
    expect(await ledger.admit("other", "3", interval)).toBe(true);
    now += interval - 1;
    expect(await ledger.admit("key", "4", interval)).toBe(false);
    now += 1;
    expect(await ledger.admit("key", "5", interval)).toBe(true);
  });

  it("EI-006: counts from the last that went out, not from one that was held back", async () => {
    await ledger.admit("key", "1", interval);
    now += 4 * minute;
    await ledger.admit("key", "2", interval);
    now += minute;
    expect(await ledger.admit("key", "3", interval)).toBe(true);
  });

  it("SV-003: a delivery that died on its way is the same event, and may go on", async () => {
    await ledger.admit("key", "1", interval);
    expect(await open().admit("key", "1", interval)).toBe(true);
  });

  it("SV-002: two at once are one", async () => {
    const answers = await Promise.all(["1", "2", "3", "4"].map((id) => open().admit("key", id, interval)));
    expect(answers.filter((admitted) => admitted)).toHaveLength(1);
  });
});

describe("whom an event has reached", () => {
  it("SV-005: is remembered for each Alert and each event", async () => {
    await ledger.admit("key", "1", interval);
    await Promise.all([open().noteReached("1", "apps/a"), open().noteReached("1", "apps/b")]);
    expect(await ledger.hasReached("1", "apps/a")).toBe(true);
    expect(await ledger.hasReached("1", "apps/b")).toBe(true);
    expect(await ledger.hasReached("1", "apps/c")).toBe(false);
    expect(await ledger.hasReached("2", "apps/a")).toBe(false);
  });

  it("is forgotten after an hour, so that nothing piles up", async () => {
    for (let event = 0; event < 300; event++) {
      await ledger.admit(`key-${event}`, `${event}`, interval);
      now += 1000;
    }
    const key = "notified/home/Kustomization/apps/web";
    expect((await records.get(key))?.value).toHaveLength(200);
    now += 60 * minute;
    await ledger.admit("last", "last", interval);
    expect((await records.get(key))?.value).toHaveLength(1);
  });
});
