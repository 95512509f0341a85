import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { installInto } from "../../lib/cli/install-cluster.ts";
import { type ControlPlane, startControlPlane } from "../../lib/host/control-plane/control-plane.ts";
import { freePort } from "../../lib/host/free-port.ts";
import { connectTo, installKinds } from "../bed/installed.ts";
import { type CrashPoint, changes } from "./crash-point.ts";
import { type MortalSluice, startMortalSluice } from "./mortal-sluice.ts";
import { openReplacingScene, type ReplacingScene } from "./replacing-scene.ts";

let directory: string;
let plane: ControlPlane;
let sluice: MortalSluice;
let scene: ReplacingScene;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "sluice-replacing-"));
  plane = await startControlPlane({ directory: join(directory, "plane") });
  await installKinds(plane);
  const data = join(directory, "data");
  const { kubeconfig, url: apiServer } = plane;
  sluice = await startMortalSluice({ directory: data, port: await freePort(), kubeconfig, apiServer, twice: false });
  const { endpoint, certificateAuthority } = sluice;
  const seed = (await readFile(join(data, "secrets", "admission-seed"), "utf8")).trim();
  await installInto(connectTo(plane), { clusterId: "faults", admission: { endpoint, certificateAuthority, seed } });
  scene = await openReplacingScene("replacing", { cluster: plane, endpoint, certificateAuthority });
}, 900_000);

afterAll(async () => {
  await scene?.close();
  await sluice?.stop();
  await plane?.stop();
  await rm(directory, { recursive: true, force: true });
});

/** Calls of the pass itself; those before and after it are the same for every set (local.test.ts). */
function isOfPass(call: string): boolean {
  if (call === "records.put applied") return true;
  return /^[A-Z]+ /.test(call) && !/\/(gitrepositories|receivers|providers|alerts|events|deployments)\b/.test(call);
}

/** Before each call of one pass, and after each that changes something. */
function pointsOf(calls: readonly string[]): CrashPoint[] {
  const counts = new Map<string, number>();
  return calls.filter(isOfPass).flatMap((call): CrashPoint[] => {
    const count = (counts.get(call) ?? 0) + 1;
    counts.set(call, count);
    const before: CrashPoint = { call, count, when: "before" };
    return changes(call) ? [before, { call, count, when: "after" }] : [before];
  });
}

describe("a pass that creates, changes, prunes and replaces objects", () => {
  it("SN-13, SN-18, KS-148, KS-157: ends in the same state wherever the one before it died", async () => {
    const undisturbed = await scene.endState(await scene.push());
    expect(undisturbed.told).toHaveLength(9 + 4);
    sluice.arm();
    expect(await scene.endState(await scene.push())).toEqual(undisturbed);
    await sleep(500);
    const points = pointsOf((await sluice.seen()).calls);
    expect(points.length).toBeGreaterThan(50);
    const survived: CrashPoint[] = [];
    for (const point of points) {
      const deaths = sluice.deaths();
      sluice.arm(point);
      const revision = await scene.push();
      await scene.endState(revision).then(
        (state) => expect(state).toEqual(undisturbed),
        (error: unknown) => {
          throw new Error(`after a death ${point.when} ${point.call} (${point.count}): ${error}`, { cause: error });
        },
      );
      if (sluice.deaths() === deaths) survived.push(point);
      await sluice.alive();
    }
    // What is read once in a while may not be asked for again at the same place.
    expect(survived.length, JSON.stringify(survived)).toBeLessThan(points.length / 10);
    expect(await scene.untold()).toEqual([]);
  }, 900_000);
});
