import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Context, Outcome } from "../../engine/reconciler.ts";
import type { Cause } from "../../engine/work-item.ts";
import { createLocalArtifactStore } from "../../platform/local/artifact-store.ts";
import { createLocalRecordStore } from "../../platform/local/record-store.ts";
import type { ArtifactStore, Json, RecordStore } from "../../platform/ports.ts";
import { freshSince, shareCheck } from "./shared-check.ts";
import { readShared, SharedWorkUnderWay, sharedKey, writeShared } from "./shared-record.ts";
import type { SourceObject, SourcePass, SourceStatus } from "./source-kind.ts";

let directory: string;
let records: RecordStore;
let artifacts: ArtifactStore;
const secrets = { read: async () => "a seed that only this test knows" };
const isText = (value: Json): value is string => typeof value === "string";

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "sluice-shared-"));
  records = createLocalRecordStore(join(directory, "records"));
  artifacts = createLocalArtifactStore(join(directory, "artifacts"));
});

afterAll(() => rm(directory, { recursive: true, force: true }));

const slot: Cause = { type: "schedule", slot: "1" };

type Looked = { now: number; cause?: Cause; cluster?: string; interval?: string; isNew?: boolean };

/** A look at an object at a time, as far as sharing knows of it. */
function look(
  name: string,
  { now, cause = slot, cluster = "home", interval = "1m", isNew = false }: Looked,
): SourcePass & { wakes: NonNullable<Outcome["wake"]> } {
  const wakes: NonNullable<Outcome["wake"]> = [];
  const object: SourceObject = {
    apiVersion: "source.toolkit.fluxcd.io/v1",
    kind: "GitRepository",
    metadata: { namespace: "apps", name, generation: 1 },
    spec: { interval },
  };
  const digest = "sha256:00";
  const artifact = { digest, revision: "one", path: "p", url: "u", lastUpdateTime: "2026-01-01T00:00:00Z" };
  const status: SourceStatus = isNew ? {} : { observedGeneration: 1, artifact };
  const context = {
    records,
    artifacts,
    secrets,
    cause,
    clusterId: cluster,
    clock: { now: () => new Date(now) },
    signal: AbortSignal.timeout(10_000),
  };
  // The rest of a pass has nothing to do with sharing.
  const pass = { object: { ...object, status }, status, context: context as unknown as Context, wakes };
  return pass as unknown as SourcePass & { wakes: typeof wakes };
}

describe("a check that objects share", () => {
  it.each([1, 10, 50])("SB-002: is made once an interval and once a change by %i objects", async (count) => {
    const asked = ["https://git.test/app", count];
    let upstream = 0;
    let revision = "one";
    const round = async (start: number, cause?: Cause) => {
      const asking = Array.from({ length: count }, (_, index) =>
        look(`app-${index}`, {
          now: start + index * Math.floor(54_000 / count),
          ...(cause === undefined ? {} : { cause }),
        }),
      );
      const values: string[] = [];
      for (const pass of asking)
        values.push(
          await shareCheck(
            pass,
            asked,
            async () => {
              upstream++;
              return revision;
            },
            isText,
          ),
        );
      return { values: new Set(values), woken: asking.flatMap(({ wakes }) => wakes) };
    };
    const start = 1_700_000_000_000;
    await round(start);
    await round(start + 60_000);
    await round(start + 120_000);
    expect(upstream).toBe(3);
    revision = "two";
    const changed = await round(start + 180_000);
    expect(upstream).toBe(4);
    expect([...changed.values]).toEqual(["two"]);
    expect(changed.woken).toHaveLength(count - 1);
  });

  it.each([1, 2])(
    "SRC-018: what was asked on request puts off nothing of the schedule, for %i objects",
    async (count) => {
      const asked = ["https://git.test/requested", count];
      const start = 1_700_000_000_000;
      const upstream: number[] = [];
      const at = async (seconds: number, name: number, cause: Cause = slot) => {
        const check = async () => {
          upstream.push(seconds);
          return "one";
        };
        await shareCheck(look(`requested-${name}`, { now: start + seconds * 1000, cause }), asked, check, isText);
      };
      for (let name = 0; name < count; name++) await at(0, name, { type: "admission", uid: "u" });
      for (let name = 0; name < count; name++) await at(30, name);
      for (let name = 0; name < count; name++) await at(90, name);
      await at(130, 0, { type: "again", state: "s" });
      for (let name = 0; name < count; name++) await at(150, name);
      for (let name = 0; name < count; name++) await at(210, name);
      expect(upstream).toEqual([0, 30, 90, 130, 150, 210]);
    },
  );

  it("SB-002: those who ask at the same moment wait for the first one's answer", async () => {
    let upstream = 0;
    const values = await Promise.all(
      Array.from({ length: 10 }, (_, index) =>
        shareCheck(
          look(`together-${index}`, { now: 1_700_000_000_000 }),
          ["together"],
          async () => {
            upstream++;
            await new Promise((resolve) => setTimeout(resolve, 100));
            return "one";
          },
          isText,
        ),
      ),
    );
    expect([upstream, new Set(values).size]).toEqual([1, 1]);
  });

  it("SB-002: other credentials have other answers, and one who is refused gets nothing of others", async () => {
    const now = 1_700_000_000_000;
    const asked = (password: string) => ["https://git.test/private", { username: "bot", password }];
    await shareCheck(look("good", { now }), asked("right"), async () => "secret revision", isText);
    const refused = shareCheck(
      look("bad", { now }),
      asked("revoked"),
      async () => {
        throw new Error("authentication required");
      },
      isText,
    );
    await expect(refused).rejects.toThrow("authentication required");
    expect(await sharedKey({ secrets }, "checks", asked("right"))).not.toContain("right");
  });

  it.each<[string, Partial<Looked>]>([
    ["a new object", { isNew: true }],
    ["one that is woken by what it waits for", { isNew: true, cause: { type: "dependency", object: "x", state: "s" } }],
  ])(
    "SB-002: %s of a long interval is given no answer from before its credentials may have been withdrawn",
    async (name, how) => {
      const now = 1_700_000_000_000;
      const asked = ["https://git.test/withdrawn", name];
      await shareCheck(look("owner", { now }), asked, async () => "secret revision", isText);
      const refused = async () => Promise.reject(new Error("authentication required"));
      const newcomer = look("newcomer", { now: now + 120_000, interval: "1000h", ...how });
      await expect(shareCheck(newcomer, asked, refused, isText)).rejects.toThrow("authentication required");
    },
  );

  it("SB-002: after somebody was refused nobody is given what was known before, alone or among others", async () => {
    const now = 1_700_000_000_000;
    const refused = async () => Promise.reject(new Error("authentication required"));
    const asked = ["https://git.test/refused"];
    const long = { interval: "1000h" };
    for (const others of [[], ["second", "third"]]) {
      for (const name of ["first", ...others])
        await shareCheck(look(name, { now }), [...asked, others.length], async () => "secret revision", isText);
      const later = { now: now + 100_000 };
      await expect(shareCheck(look("first", later), [...asked, others.length], refused, isText)).rejects.toThrow();
      for (const cause of [slot, { type: "dependency", object: "x", state: "s" } as const]) {
        const next = look("next", { now: now + 100_001, cause, ...long });
        await expect(shareCheck(next, [...asked, others.length], refused, isText)).rejects.toThrow("authentication");
      }
      const again = look("next", { now: now + 100_002, ...long });
      expect(await shareCheck(again, [...asked, others.length], async () => "let in", isText)).toBe("let in");
    }
  });

  it("an error ends the work of the one who met it: the next one asks himself", async () => {
    const now = 1_700_000_000_000;
    const failing = shareCheck(look("first", { now }), ["down"], async () => Promise.reject(new Error("down")), isText);
    await expect(failing).rejects.toThrow("down");
    expect(await shareCheck(look("second", { now }), ["down"], async () => "up", isText)).toBe("up");
  });

  it("whoever died at it is not waited for beyond a minute", async () => {
    const now = 1_700_000_000_000;
    const key = await sharedKey({ secrets }, "checks", ["dead"]);
    const lease = { until: now + 60_000, by: "home/GitRepository/apps/dead" };
    await writeShared(records, key, await readShared(records, key), { at: 0, sharers: [], lease });
    const check = async () => "alive";
    await expect(shareCheck(look("next", { now }), ["dead"], check, isText)).rejects.toThrow(SharedWorkUnderWay);
    expect(await shareCheck(look("next", { now: now + 60_001 }), ["dead"], check, isText)).toBe("alive");
  });

  it("SB-002: objects of other clusters are woken there", async () => {
    const now = 1_700_000_000_000;
    let revision = "one";
    const check = async () => revision;
    await shareCheck(look("app", { now }), ["clusters"], check, isText);
    await shareCheck(look("app", { now: now + 1000, cluster: "other" }), ["clusters"], check, isText);
    revision = "two";
    const pass = look("app", { now: now + 70_000 });
    await shareCheck(pass, ["clusters"], check, isText);
    expect(pass.wakes).toMatchObject([{ cluster: "other", reference: { kind: "GitRepository", name: "app" } }]);
  });

  it("SRC-007: a request and a webhook are answered by what was asked after they were made", () => {
    const now = Date.parse("2026-11-25T10:00:00Z");
    const since = (cause: Cause) => now - freshSince(look("app", { now, cause }).context, look("app", { now }).object);
    const stamp = "2026-11-25T09:59:58.500000000Z";
    expect(since({ type: "webhook", receiver: "a/b", token: stamp })).toBe(1500);
    expect(since({ type: "admission", uid: "u", requestedAt: stamp })).toBe(1500);
    expect(since({ type: "admission", uid: "u", requestedAt: "now please" })).toBe(0);
    expect(since({ type: "admission", uid: "u", requestedAt: "2026-11-25T09:59:00Z" })).toBe(5000);
    expect(since({ type: "again", state: "s" })).toBe(5000);
    expect(since(slot)).toBe(59_000);
  });
});
