import { describe, expect, it } from "vitest";
import type { ClusterClient } from "../cluster/client.ts";
import type { Logger, Platform, QueueMessage } from "../platform/ports.ts";
import { runSchedule } from "./schedule.ts";
import { parseWorkItem } from "./work-item.ts";

const minute = 60_000;
const start = Date.UTC(2026, 10, 24, 12, 0);
const log: Logger = { debug() {}, info() {}, warn() {}, error() {}, child: () => log };

/** GitRepositories that all were made and fetched in the same minute, as the API server's table shows them. */
const rows = Array.from({ length: 100 }, (_, index) => ({
  Namespace: "apps",
  Name: `app-${index}`,
  UID: `${index.toString(16).padStart(8, "0")}-6d5e-4c87-9b1c-0a5c6ad0f4a1`,
  Generation: 1,
  Interval: "10m",
  Observed: 1,
  Tried: 1,
  Progress: "",
  Requested: "",
  Handled: "",
  Suspend: "",
  Deleted: "",
  Ready: "True",
}));

/** A cluster of these objects alone, as far as the schedule asks for it. */
const cluster = {
  request: async ({ path }: { path: string }) => {
    if (path.endsWith("/deployments"))
      return { items: [{ metadata: { name: "source-controller" }, spec: { replicas: 0 } }] };
    const columns = Object.keys(rows[0] ?? {});
    const isOurs = path.endsWith("/gitrepositories");
    return {
      columnDefinitions: columns.map((name) => ({ name })),
      rows: isOurs ? rows.map((row) => ({ cells: Object.values(row) })) : [],
      metadata: {},
    };
  },
} as unknown as ClusterClient;

/** When each object is looked at within so many minutes of the schedule, by name. */
async function looksWithin(minutes: number): Promise<Map<string, number[]>> {
  let now = start;
  const looks = new Map<string, number[]>();
  const note = ({ body }: Pick<QueueMessage, "body">, seconds: number): void => {
    const { name } = parseWorkItem(body);
    looks.set(name, [...(looks.get(name) ?? []), now + seconds * 1000]);
  };
  const platform = {
    clock: { now: () => new Date(now) },
    log,
    clusters: { list: async () => ["home"] },
    queue: {
      send: async (_queue: string, messages: QueueMessage[]) => {
        for (const message of messages) note(message, 0);
      },
      sendLater: async (_queue: string, message: QueueMessage, seconds: number) => note(message, seconds),
    },
  } as unknown as Platform;
  for (let index = 0; index < minutes; index++, now += minute)
    await runSchedule(platform, async () => cluster, new Date(now));
  return looks;
}

describe("the schedule", () => {
  it("SRC-018: after an hour a hundred objects are not looked at in the same minute, and each gap is the interval", async () => {
    const looks = await looksWithin(120);
    expect(looks.size).toBe(100);
    for (const times of looks.values()) {
      expect(times).toHaveLength(12);
      for (const [index, time] of times.slice(1).entries()) {
        const gap = time - (times[index] ?? 0);
        expect(gap).toBeGreaterThanOrEqual(9.5 * minute);
        expect(gap).toBeLessThanOrEqual(10.5 * minute);
      }
    }
    const afterAnHour = [...looks.values()].map((times) => times.find((time) => time >= start + 60 * minute) ?? 0);
    const perMinute = [...Map.groupBy(afterAnHour, (time) => Math.floor(time / minute)).values()];
    expect(perMinute).toHaveLength(10);
    // A tenth each, as chance has it.
    expect(Math.max(...perMinute.map(({ length }) => length))).toBeLessThan(25);
  });
});
