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

/** What is shared of the large one. */
async function leases(): Promise<unknown> {
  const key = await sharedKey({ secrets }, "contents", ["large"]);
  return (await records.get(key))?.value;
}

/** An attempt at a source that stores what it is given, as far as sharing knows of one. */
function passOf(name: string): SourcePass {
  const object: SourceObject = {
    ...{ apiVersion: "source.toolkit.fluxcd.io/v1", kind: "GitRepository" },
    metadata: { namespace: "apps", name },
    spec: {},
  };
  const status: SourceStatus = {};
  const store: SourcePass["store"] = async (file, content, { revision }) => {
    const key = artifactKey("home", object, file);
    if ("key" in content) await artifacts.copy(content.key, key);
    else await artifacts.put(key, bytes);
    const [path, url, lastUpdateTime] = [key, "u", "2026-01-01T00:00:00Z"];
    status.artifact = { path, url, lastUpdateTime, revision, digest, size: bytes.length };
  };
  const context = {
    ...{ records, artifacts, log, secrets, clusterId: "home" },
    ...{ clock: { now: () => new Date(now) }, signal: AbortSignal.timeout(10_000) },
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

describe("content that objects share", () => {
  it("SB-002, SB-005: is fetched once, though the download takes longer than anybody is waited for who may have died", async () => {
    vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
    let fetches = 0;
    let arrive: () => void = () => undefined;
    const arrived = new Promise<void>((resolve) => {
      arrive = resolve;
    });
    const first = share("first", "large", async () => {
      fetches++;
      await arrived;
    });
    const second = () => share("second", "large", async () => void fetches++);
    await vi.waitFor(() => expect(fetches).toBe(1));
    for (let waited = 0; waited < 8; waited++) {
      now += 20_000;
      await vi.advanceTimersByTimeAsync(20_000);
      // What a timer began is on the disk a moment later.
      await expect.poll(async () => JSON.stringify(await leases())).toContain(`"until":${now + 60_000}`);
    }
    await expect(second()).rejects.toThrow(SharedWorkUnderWay);
    arrive();
    expect([await first, await second(), fetches]).toEqual(["told", "told", 1]);
    expect(await artifacts.get("home/gitrepository/apps/second/a.tar.gz")).toEqual(bytes);
    // Who is done says no more that it is at work.
    expect(vi.getTimerCount()).toBe(0);
  });

  it("SB-005: is fetched by another where the one who was at it says nothing any more", async () => {
    vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
    let fetches = 0;
    void share("dead", "lost", () => new Promise(() => undefined));
    const next = () => share("next", "lost", async () => void fetches++);
    await expect(next()).rejects.toThrow(SharedWorkUnderWay);
    now += 60_001;
    expect([await next(), fetches]).toEqual(["told", 1]);
  });
});
