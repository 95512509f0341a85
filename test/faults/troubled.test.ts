import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { conditionOf } from "../bed/workspace.ts";
import type { Gate, Passing, Trouble } from "./relay.ts";
import { openScene, type Scene } from "./scene.ts";
import { startTroubledSluice } from "./troubled-sluice.ts";
import { atRandom, numbersFrom, troubles } from "./troubles.ts";

let sluice: Awaited<ReturnType<typeof startTroubledSluice>>;
let scene: Scene;
let gate: Gate = () => true;

beforeAll(async () => {
  sluice = await startTroubledSluice((...passing) => gate(...passing));
  scene = await openScene("troubled", sluice, { retryInterval: "1s" });
}, 900_000);

afterAll(async () => {
  await scene?.close();
  await sluice?.stop();
});

/** Until Ready is False, with the text without what follows its first line. */
async function failureOf(): Promise<string> {
  const isFailed = (app: Parameters<typeof conditionOf>[0]) => conditionOf(app, "Ready")?.status === "False";
  const { status } = await scene.workspace.until("Kustomization", "app", (app) => isFailed(app.status), 50);
  return conditionOf(status, "Ready")?.message.split("\n", 1)[0] ?? "";
}

/** Holds back what matches, until the end of an action. */
async function under(pattern: RegExp, trouble: Trouble, action: () => Promise<void>): Promise<void> {
  gate = ({ method, url }, when) =>
    when === "before" && pattern.test(`${method} ${url.pathname}${url.search}`) ? trouble : true;
  try {
    await action();
  } finally {
    gate = () => true;
  }
}

/** Whether it makes, for good, the object that a push adds. */
function isCreation({ method, url }: Passing): boolean {
  return method === "PATCH" && !url.searchParams.has("dryRun") && /\/configmaps\/only-\d+$/.test(url.pathname);
}

describe("an API server in trouble", () => {
  it("SN-13, KS-149: whatever befalls single requests, each push ends applied exactly, and is told", async () => {
    const met = new Map<string, number>();
    const random = numbersFrom(4);
    for (let push = 1; push <= 20; push++) {
      gate = atRandom(random, 0.12, met);
      const revision = await scene.push();
      await scene.untilApplied(revision);
    }
    gate = () => true;
    for (const [name] of troubles) expect(met.get(name) ?? 0, name).toBeGreaterThan(2);
    expect(await scene.untold()).toEqual([]);
  }, 300_000);

  it("KS-007, SN-12: a source whose status was written, but not answered, wakes who uses it all the same", async () => {
    for (const trouble of [{ status: 500 }, { status: 504 }]) {
      let met = 0;
      gate = ({ method, url }, when) => {
        const isMeant =
          when === "after" && method === "PATCH" && url.pathname.endsWith("/gitrepositories/source/status");
        return isMeant && met++ === 0 ? trouble : true;
      };
      await scene.untilApplied(await scene.push());
      expect(met).toBeGreaterThan(0);
    }
    gate = () => true;
  }, 120_000);

  it("KS-007: a kind that cannot be listed keeps nothing from the users of another kind", async () => {
    await under(/^GET .*\/helmcharts\?/, { status: 500, body: "etcdserver: no leader" }, async () =>
      scene.untilApplied(await scene.push()),
    );
  }, 120_000);

  it("KS-149, SN-13: a write that was done, but answered with an error, is told by the next look", async () => {
    let met = 0;
    gate = (passing, when) =>
      when === "after" && isCreation(passing) && met++ === 0
        ? { status: 500, body: "etcdserver: request timed out" }
        : true;
    await scene.untilApplied(await scene.push());
    gate = () => true;
    expect(met).toBe(1);
    expect(await scene.untold()).toEqual([]);
  }, 120_000);

  it("KS-149, KS-222: an error that lasts is told with the object and the server's words, and passes with it", async () => {
    let revision = "";
    await under(/^PATCH .*\/configmaps\/.*dryRun/, { status: 500, body: "etcdserver: no leader" }, async () => {
      revision = await scene.push();
      expect(await failureOf()).toMatch(
        /^ConfigMap\/troubled-\w+\/(changing|only-\d+) dry-run failed \(InternalError\): an error on the server \("etcdserver: no leader"\) has prevented the request from succeeding \(patch configmaps (changing|only-\d+)\)$/,
      );
    });
    await scene.untilApplied(revision);
  }, 120_000);

  it("KS-149, KS-222: a server that does not answer holds a look no longer than its time-out, and is told", async () => {
    let revision = "";
    await under(/^PATCH .*\/configmaps\/only-\d+\?(?!.*dryRun)/, "silence", async () => {
      revision = await scene.push();
      expect(await failureOf()).toMatch(
        /^ConfigMap\/troubled-\w+\/only-\d+ apply failed: the API server did not answer PATCH \/api\/v1\/namespaces\/troubled-\w+\/configmaps\/only-\d+ within 30 s$/,
      );
    });
    await scene.untilApplied(revision);
    expect(await scene.untold()).toEqual([]);
  }, 180_000);

  it("KS-176: a server that will not delete is told, and nothing that was to go is forgotten", async () => {
    let revision = "";
    await under(/^DELETE /, { status: 429 }, async () => {
      revision = await scene.push();
      expect(await failureOf()).toMatch(
        /^delete failed, errors: ConfigMap\/troubled-\w+\/only-\d+ delete failed: the server has received too many requests/,
      );
    });
    await scene.untilApplied(revision);
  }, 120_000);

  it("SN-13: what was written without an answer, and is wanted no more, is removed", async () => {
    const writes = new Set<string>();
    gate = (passing, when) => {
      if (when !== "after" || !isCreation(passing)) return true;
      writes.add(passing.url.pathname);
      return { status: 500, body: "etcdserver: request timed out" };
    };
    await scene.push();
    expect(await failureOf()).toMatch(/only-\d+ apply failed/);
    // The next one removes what this one added, which no status has named.
    gate = () => true;
    expect(writes.size).toBe(1);
    await scene.untilApplied(await scene.push());
  }, 120_000);
});
