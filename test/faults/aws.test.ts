import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type LocalStack, startLocalStack } from "../bed/localstack/localstack.ts";
import type { CrashPoint } from "./crash-point.ts";
import { deployMortalFunctions, type MortalFunctions, scenePrefix } from "./mortal-functions.ts";
import { openScene, type Scene } from "./scene.ts";

let directory: string;
let aws: LocalStack;
let sluice: MortalFunctions;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "sluice-faults-aws-"));
  const log = (line: string) => console.warn(line);
  // One of its own: what the schedule of this deployment asks for would be there for the rest of the run.
  aws = await startLocalStack({ directory: join(directory, "localstack"), log });
  sluice = await deployMortalFunctions(aws, { directory, log });
}, 900_000);

afterAll(async () => {
  await sluice?.stop();
  await aws?.stop();
  await rm(directory, { recursive: true, force: true, maxRetries: 3 });
});

/** Applications that push side by side: most of the time is spent waiting for what a dead function had taken. */
const sideBySide = 4;

/** Milliseconds after a push is applied until all has been asked for that it makes ask for: notifications come last. */
const afterwards = 2000;

/**
 * Every point of one push: before each call, and after each call that changes something. What names no object, each process
 * asks when it has forgotten it: such a call is a point once.
 */
async function pointsOfPush(scene: Scene): Promise<CrashPoint[]> {
  const shared = new Set(sluice.seen().flatMap(({ call, namespace }) => (namespace === undefined ? [call] : [])));
  await sluice.untilQuiet();
  sluice.forget();
  await scene.untilApplied(await scene.push());
  await sluice.untilQuiet();
  const counts = new Map<string, number>();
  const own = sluice.seen().filter(({ namespace }) => namespace === scene.workspace.namespace);
  const points = own.flatMap(({ call, changes }): CrashPoint[] => {
    const count = (counts.get(call) ?? 0) + 1;
    counts.set(call, count);
    const before: CrashPoint = { call, count, when: "before" };
    return changes ? [before, { call, count, when: "after" }] : [before];
  });
  return [...points, ...[...shared].map((call): CrashPoint => ({ call, count: 1, when: "before" }))];
}

/**
 * Pushes for each point that is left, and dies there; a second time where the first push did not come by. Resolves with the
 * points in the order of the pushes.
 */
async function dieAtEach(scene: Scene, left: CrashPoint[], survived: CrashPoint[]): Promise<CrashPoint[]> {
  const { namespace } = scene.workspace;
  const pushes: CrashPoint[] = [];
  for (let point = left.shift(); point !== undefined; point = left.shift()) {
    const armed = sluice.arm(namespace, point);
    for (let attempt = 1; attempt <= 2 && !armed.reached(); attempt++) {
      pushes.push(point);
      await scene.untilApplied(await scene.push()).catch((error: unknown) => {
        const last = JSON.stringify(pushes.slice(-3));
        throw new Error(`after deaths at ${last}: ${error}`, { cause: error });
      });
      for (const giveUp = Date.now() + afterwards; !armed.reached() && Date.now() < giveUp; ) await sleep(50);
    }
    if (!armed.reached()) survived.push(point);
  }
  sluice.disarm(namespace);
  return pushes;
}

/** Takes from all parts of a list in turn: what is asked a dozen times in a row would be died at by one and the same message. */
function interleaved<T>(items: T[]): T[] {
  const step = 7;
  return Array.from({ length: step }, (_, start) => items.filter((_item, index) => index % step === start)).flat();
}

describe("faults on AWS", () => {
  it("SN-003: a function that dies at any call of a push loses nothing and leaves nothing half done", async () => {
    const first = await openScene(scenePrefix, sluice);
    const points = await pointsOfPush(first);
    expect(points.length).toBeGreaterThan(80);
    const scenes = [first];
    while (scenes.length < sideBySide) scenes.push(await openScene(scenePrefix, sluice));
    const survived: CrashPoint[] = [];
    const left = interleaved(points);
    const pushes = await Promise.all(scenes.map((scene) => dieAtEach(scene, left, survived)));
    // How often a process asks again depends on what it remembers; all else must have been died at.
    expect(survived.length, JSON.stringify(survived)).toBeLessThan(points.length / 10);
    for (const [index, scene] of scenes.entries()) {
      // The first push of the first scene counted the points.
      const died = scene === first ? [undefined, ...(pushes[index] ?? [])] : pushes[index];
      expect((await scene.untold()).map((push) => died?.[push - 1])).toEqual([]);
    }
    await sluice.untilQuiet();
    expect(await sluice.deadLetters()).toBe(0);
    for (const scene of scenes) await scene.close();
  }, 900_000);

  it("SN-003, SN-15: what is delivered twice, late and out of order changes nothing", async () => {
    const scene = await openScene(scenePrefix, sluice);
    sluice.forget();
    sluice.deliverTwice(scene.workspace.namespace);
    for (let round = 0; round < 5; round++) await scene.untilApplied(await scene.push());
    await sluice.untilQuiet();
    const sent = sluice.sent(scene.workspace.namespace);
    expect(sent.length).toBeGreaterThan(20);
    const before = scene.writes();
    await sluice.resend(sent.toReversed());
    await sluice.untilQuiet();
    expect(scene.writes()).toBe(before);
    await scene.untilApplied(await scene.push());
    expect(await scene.untold()).toEqual([]);
    expect(await sluice.deadLetters()).toBe(0);
    await scene.close();
  }, 300_000);
});
