import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startSluice } from "./bed/sluice.ts";
import { conditionOf, openWorkspace, type Reconciled, type Workspace } from "./bed/workspace.ts";

const count = 500;

let directory: string;
let sluice: Awaited<ReturnType<typeof startSluice>>;
let workspace: Workspace;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "sluice-at-once-"));
  sluice = await startSluice({ directory });
  workspace = await openWorkspace("at-once", { sluice });
}, 300_000);

afterAll(async () => {
  await workspace?.close();
  await sluice?.stop();
  await rm(directory, { recursive: true, force: true });
});

async function listed(): Promise<Reconciled[]> {
  const path = `/apis/source.toolkit.fluxcd.io/v1/namespaces/${workspace.namespace}/gitrepositories`;
  return (await workspace.client.request<{ items: Reconciled[] }>({ method: "GET", path })).items;
}

describe("five hundred sources that are due in the same minute", () => {
  it("SB-013: are all looked at within it, nineteen of twenty within ten seconds of being asked", async () => {
    const { url } = await workspace.repository({ "a.txt": "one" });
    const names = Array.from({ length: count }, (_, index) => `source-${index}`);
    for (let at = 0; at < count; at += 20)
      await Promise.all(names.slice(at, at + 20).map((name) => workspace.gitRepository(name, url)));
    const ready = async () => (await listed()).filter(({ status }) => conditionOf(status, "Ready")?.status === "True");
    await expect.poll(async () => (await ready()).length, { timeout: 120_000, interval: 500 }).toBe(count);

    const asked = new Map<string, { at: number; value: string }>();
    const lateness = new Map<string, number>();
    const asking = (async () => {
      for (let at = 0; at < count; at += 20)
        await Promise.all(
          names.slice(at, at + 20).map(async (name) => {
            const at = Date.now();
            asked.set(name, { at, value: await workspace.reconcile("GitRepository", name) });
          }),
        );
    })();
    const giveUp = Date.now() + 60_000;
    while (lateness.size < count && Date.now() < giveUp) {
      await sleep(200);
      for (const { metadata, status } of await listed()) {
        const known = asked.get(metadata.name);
        if (known === undefined || lateness.has(metadata.name)) continue;
        if (status?.lastHandledReconcileAt === known.value) lateness.set(metadata.name, Date.now() - known.at);
      }
    }
    await asking;
    expect(lateness.size).toBe(count);
    const sorted = [...lateness.values()].toSorted((a, b) => a - b);
    expect(sorted[Math.floor(count * 0.95)] ?? Number.POSITIVE_INFINITY).toBeLessThan(10_000);
  }, 240_000);
});
