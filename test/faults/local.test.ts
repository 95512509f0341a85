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
import { openScene, type Scene } from "./scene.ts";

let directory: string;
let plane: ControlPlane;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "sluice-faults-"));
  plane = await startControlPlane({ directory: join(directory, "plane") });
  await installKinds(plane);
}, 900_000);

afterAll(async () => {
  await plane?.stop();
  await rm(directory, { recursive: true, force: true });
});

/** A Sluice that can die, installed with its admission webhook, and a scene in it. */
async function openMortal(name: string, twice: boolean): Promise<{ sluice: MortalSluice; scene: Scene }> {
  const data = join(directory, name);
  const { kubeconfig, url: apiServer } = plane;
  const sluice = await startMortalSluice({ directory: data, port: await freePort(), kubeconfig, apiServer, twice });
  const { endpoint, certificateAuthority } = sluice;
  const seed = (await readFile(join(data, "secrets", "admission-seed"), "utf8")).trim();
  await installInto(connectTo(plane), { clusterId: "faults", admission: { endpoint, certificateAuthority, seed } });
  return { sluice, scene: await openScene(name, { cluster: plane, endpoint, certificateAuthority }) };
}

/** Every point of one push: before each call, and after each call that changes something. */
async function pointsOfPush(sluice: MortalSluice, scene: Scene): Promise<CrashPoint[]> {
  sluice.arm();
  await scene.untilApplied(await scene.push());
  await sleep(500);
  const counts = new Map<string, number>();
  return (await sluice.seen()).calls.flatMap((call): CrashPoint[] => {
    const count = (counts.get(call) ?? 0) + 1;
    counts.set(call, count);
    const before: CrashPoint = { call, count, when: "before" };
    return changes(call) ? [before, { call, count, when: "after" }] : [before];
  });
}

describe("faults on the local platform", () => {
  it("SN-003: a process that dies at any call of a push loses nothing and leaves nothing half done", async () => {
    const { sluice, scene } = await openMortal("deaths", false);
    const points = await pointsOfPush(sluice, scene);
    expect(points.length).toBeGreaterThan(60);
    const survived: CrashPoint[] = [];
    for (const point of points) {
      const deaths = sluice.deaths();
      sluice.arm(point);
      const revision = await scene.push();
      await scene.untilApplied(revision).catch((error: unknown) => {
        throw new Error(`after a death ${point.when} ${point.call} (${point.count}): ${error}`, { cause: error });
      });
      // Notifications go on after the status is written, and so do deaths.
      for (let look = 0; look < 20 && sluice.deaths() === deaths; look++) await sleep(50);
      if (sluice.deaths() === deaths) survived.push(point);
      await sluice.alive();
    }
    // What is remembered for some seconds may not be asked for again at the same place; all else must have been died at.
    expect(survived.length, JSON.stringify(survived)).toBeLessThan(points.length / 6);
    // The first push counted the points.
    expect((await scene.untold()).map((push) => points[push - 2])).toEqual([]);
    await scene.close();
    await sluice.stop();
  }, 900_000);

  it("SN-003, SN-15: what is delivered twice, and late, changes nothing", async () => {
    const { sluice, scene } = await openMortal("twice", true);
    for (let round = 0; round < 5; round++) await scene.untilApplied(await scene.push());
    const { sent } = await sluice.seen();
    expect(sent.length).toBeGreaterThan(10);
    const before = scene.writes();
    sluice.resend(sent.toReversed());
    await sleep(3000);
    expect(scene.writes()).toBe(before);
    await scene.untilApplied(await scene.push());
    await scene.close();
    await sluice.stop();
  }, 180_000);
});
