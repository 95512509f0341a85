import { createHash } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { createLocalArtifactStore } from "../../platform/local/artifact-store.ts";
import { createLocalLogger } from "../../platform/local/log.ts";
import { createLocalRecordStore } from "../../platform/local/record-store.ts";
import type { ArtifactStore, Json, RecordStore } from "../../platform/ports.ts";
import { artifactKey } from "../artifact-storage.ts";
import { shareCheck } from "./shared-check.ts";
import { storeShared } from "./shared-content.ts";
import { SharedWorkUnderWay, sharedKey } from "./shared-record.ts";
import type { SourceObject, SourcePass, SourceStatus } from "./source-kind.ts";

let directory: string;
let records: RecordStore;
let artifacts: ArtifactStore;
let now = 1_700_000_000_000;
const log = createLocalLogger({ format: "json", write: () => undefined });
const secrets = { read: async () => "a seed that only this test knows" };
const bytes = Buffer.from("what both want");
const digest = `sha256:${createHash("sha256").update(bytes).digest("hex")}`;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "sluice-content-"));
  records = createLocalRecordStore(join(directory, "records"));
  artifacts = createLocalArtifactStore(join(directory, "artifacts"));
});
afterEach(() => {
  vi.useRealTimers();
});
afterAll(() => rm(directory, { recursive: true, force: true }));

const artifact = { digest, revision: "zero", path: "p", url: "u", lastUpdateTime: "2026-01-01T00:00:00Z" };

/** An attempt at a source of a long interval that stores what it is given, as far as sharing knows of one. */
function passOf(name: string): SourcePass {
  const object: SourceObject = {
    ...{ apiVersion: "source.toolkit.fluxcd.io/v1", kind: "GitRepository" },
    metadata: { namespace: "apps", name, generation: 1 },
    spec: { interval: "1h" },
    status: { observedGeneration: 1, artifact },
  };
  const status: SourceStatus = { ...object.status };
  const store: SourcePass["store"] = async (file, content, { revision }) => {
    const key = artifactKey("home", object, file);
    if ("key" in content) await artifacts.copy(content.key, key);
    else await artifacts.put(key, bytes);
    status.artifact = { ...artifact, path: key, revision, size: bytes.length };
  };
  const context = {
    ...{ records, artifacts, log, secrets, clusterId: "home" },
    ...{
      cause: { type: "schedule", slot: "1" },
      clock: { now: () => new Date(now) },
      signal: AbortSignal.timeout(10_000),
    },
  };
  // The rest of a pass has nothing to do with sharing.
  return { object, status, store, context } as unknown as SourcePass;
}

/** Stores content as an object's artifact, which `fetch` waits for. */
function share(name: string, asked: string, fetch: () => Promise<void>): Promise<string> {
  return storeShared<string>(passOf(name), {
    asked: [asked],
    file: "a.tar.gz",
    isFacts: (value: Json): value is string => typeof value === "string",
    fetch: async () => {
      await fetch();
      return { bytes, facts: "told" };
    },
    accept: async () => ({ revision: "one" }),
  });
}

/** Looks at what there is, as an index is downloaded to see whether it is another one. */
function look(name: string, asked: string, fetch: () => Promise<void>): Promise<string> {
  const check = async () => {
    await fetch();
    return "told";
  };
  return shareCheck<string>(passOf(name), [asked], check, (value: Json): value is string => typeof value === "string");
}

describe.each([
  ["contents", share],
  ["checks", look],
] as const)("the lease of shared %s", (kind, work) => {
  /** What the record says of this work. */
  const shared = async (asked: string) => (await records.get(await sharedKey({ secrets }, kind, [asked])))?.value;

  it("SB-002, SB-005: lasts as long as the download, which nobody else begins meanwhile", async () => {
    vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
    let fetches = 0;
    let arrive: () => void = () => undefined;
    const arrived = new Promise<void>((resolve) => {
      arrive = resolve;
    });
    const first = work("first", "large", async () => {
      fetches++;
      await arrived;
    });
    const second = () => work("second", "large", async () => void fetches++);
    await vi.waitFor(() => expect(fetches).toBe(1));
    for (let waited = 0; waited < 8; waited++) {
      now += 20_000;
      await vi.advanceTimersByTimeAsync(20_000);
      // What a timer began is on the disk a moment later.
      await expect.poll(async () => JSON.stringify(await shared("large"))).toContain(`"until":${now + 60_000}`);
    }
    await expect(second()).rejects.toThrow(SharedWorkUnderWay);
    arrive();
    expect([await first, await second(), fetches]).toEqual(["told", "told", 1]);
    expect(await shared("large")).not.toHaveProperty("lease");
    // Who is done says no more that it is at work.
    expect(vi.getTimerCount()).toBe(0);
  });

  it("SB-005: ends where the one who was at it says nothing any more", async () => {
    vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
    let fetches = 0;
    void work("dead", "lost", () => new Promise(() => undefined));
    const next = () => work("next", "lost", async () => void fetches++);
    await expect(next()).rejects.toThrow(SharedWorkUnderWay);
    now += 60_001;
    expect([await next(), fetches]).toEqual(["told", 1]);
  });

  it("ends with a download that fails", async () => {
    const failing = work("failing", "down", () => Promise.reject(new Error("the server is down")));
    await expect(failing).rejects.toThrow("the server is down");
    expect(await work("next", "down", async () => undefined)).toBe("told");
  });
});
