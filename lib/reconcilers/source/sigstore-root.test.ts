import { describe, expect, it } from "vitest";
import { type Json, RecordConflict, type RecordStore } from "../../platform/ports.ts";
import { publicTrustedRoot } from "./sigstore-root.ts";

const minute = 60_000;
const day = 24 * 60 * minute;

/** What two invocations of a deployment share: the records, and the time. */
function deployment() {
  const stored = new Map<string, Json>();
  const records: RecordStore = {
    get: async (key) => (stored.has(key) ? { value: stored.get(key) ?? null, version: "1" } : undefined),
    put: async (key, value) => {
      stored.set(key, structuredClone(value));
      return "1";
    },
    remove: async (key) => {
      throw new RecordConflict(key);
    },
  };
  const log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {}, child: () => log };
  let time = Date.parse("2026-11-25T00:00:00Z");
  let answer = async (): Promise<Buffer> => Buffer.from("first");
  let asked = 0;
  return {
    stored,
    asked: () => asked,
    answers: (text: string) => {
      answer = async () => Buffer.from(text);
    },
    fails: (words: string) => {
      answer = () => Promise.reject(new Error(words));
    },
    pass: (milliseconds: number) => {
      time += milliseconds;
    },
    root: async () => {
      const context = { records, log, clock: { now: () => new Date(time) } };
      const fetch = () => {
        asked += 1;
        return answer();
      };
      return (await publicTrustedRoot(context, fetch)).toString();
    },
  };
}

describe("the public trusted root", () => {
  it("VER-010, SN-008: is fetched once for all, and again when it is a day old", async () => {
    const shared = deployment();
    expect([await shared.root(), await shared.root()]).toEqual(["first", "first"]);
    expect(shared.asked()).toBe(1);
    shared.answers("second");
    shared.pass(day - 1);
    expect(await shared.root()).toBe("first");
    shared.pass(1);
    expect(await shared.root()).toBe("second");
    expect(shared.asked()).toBe(2);
  });

  it("VER-010: is asked for at most once a minute after a failure, and nobody is trusted meanwhile", async () => {
    const shared = deployment();
    shared.fails("getaddrinfo ENOTFOUND");
    for (let pass = 0; pass < 5; pass++) {
      await expect(shared.root()).rejects.toThrow("unable to initialize trusted root: getaddrinfo ENOTFOUND");
      shared.pass(minute / 5 - 1);
    }
    expect(shared.asked()).toBe(1);
    shared.pass(5);
    await expect(shared.root()).rejects.toThrow("unable to initialize trusted root");
    expect(shared.asked()).toBe(2);
    shared.answers("first");
    shared.pass(minute);
    expect(await shared.root()).toBe("first");
    expect(shared.asked()).toBe(3);
  });

  it("VER-010: serves for a week where no newer one can be had", async () => {
    const shared = deployment();
    await shared.root();
    shared.fails("no route");
    shared.pass(2 * day);
    expect([await shared.root(), await shared.root()]).toEqual(["first", "first"]);
    expect(shared.asked()).toBe(2);
    shared.pass(5 * day);
    await expect(shared.root()).rejects.toThrow("unable to initialize trusted root: no route");
  });

  it("VER-010: takes no record for a root that is none", async () => {
    const shared = deployment();
    shared.stored.set("sigstore/trusted-root", ["root"]);
    expect(await shared.root()).toBe("first");
  });
});
