import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Watch, watch } from "./bed/watch.ts";
import { configMap, openWorkspace, type Workspace } from "./bed/workspace.ts";

let workspace: Workspace;
let objects: Watch;
/** `name owner` of each ConfigMap as it was stored. */
const stored: string[] = [];

beforeAll(async () => {
  workspace = await openWorkspace("contested");
  const repository = await workspace.repository({
    "one/config.yaml": configMap("shared", { owner: "one" }),
    "other/config.yaml": configMap("shared", { owner: "other" }),
    "fought/config.yaml": configMap("fought", { owner: "git" }),
    "fought/quiet.yaml": configMap("quiet", { owner: "git" }),
  });
  await workspace.gitRepository("source", repository.url);
  await workspace.untilReady("GitRepository", "source");
  objects = await watch(workspace.sluice.cluster, `/api/v1/namespaces/${workspace.namespace}/configmaps`);
  objects.onChange = ({ object }) => stored.push(`${object.metadata.name} ${ownerOf(object.data)}`);
});

afterAll(async () => {
  objects?.stop();
  await workspace?.close();
});

function ownerOf(data: unknown): string {
  return typeof data === "object" && data !== null && "owner" in data ? String(data.owner) : "";
}

const takes = (name: string, by: string) =>
  workspace.patch("ConfigMap", name, { data: { owner: by } }, "operator").catch(() => undefined);
const timesStored = (line: string) => stored.filter((other) => other === line).length;

describe("two that want one object", () => {
  it("KS-154: two Kustomizations take it from each other once a pass, and no pass makes another", async () => {
    for (const name of ["one", "other"]) {
      await workspace.kustomization(name, { path: `./${name}` });
      await workspace.untilReady("Kustomization", name);
    }
    stored.length = 0;
    for (const name of ["one", "other", "one"]) {
      const requestedAt = await workspace.reconcile("Kustomization", name);
      await workspace.until("Kustomization", name, ({ status }) => status?.lastHandledReconcileAt === requestedAt);
      expect(ownerOf((await workspace.find("ConfigMap", "shared"))?.data)).toBe(name);
    }
    await sleep(3000);
    expect(stored).toEqual(["shared one", "shared other", "shared one"]);
    for (const name of ["one", "other"]) {
      const told = (await workspace.events("Kustomization", name)).map(({ message }) => message);
      expect(told).toContain(`ConfigMap/${workspace.namespace}/shared configured`);
    }
  });

  it("KS-154, SN-14: who undoes each correction at once is left his way for longer and longer, and is named", {
    timeout: 180_000,
  }, async () => {
    await workspace.kustomization("fought", { path: "./fought" });
    await workspace.untilReady("Kustomization", "fought");
    let isAtIt = true;
    const operator = await watch(workspace.sluice.cluster, `/api/v1/namespaces/${workspace.namespace}/configmaps`);
    operator.onChange = ({ object }) => {
      if (isAtIt && object.metadata.name === "fought" && ownerOf(object.data) === "git")
        void takes("fought", "operator");
    };
    stored.length = 0;
    await takes("fought", "operator");
    const subject = `ConfigMap/${workspace.namespace}/fought`;
    const contests = async () =>
      (await workspace.events("Kustomization", "fought")).filter(({ reason }) => reason === "Contested");
    await expect.poll(async () => (await contests()).length, { timeout: 30_000 }).toBe(1);
    const [contest] = await contests();
    expect(contest?.type).toBe("Warning");
    expect(contest?.message).toMatch(
      new RegExp(
        `^${subject} was changed again by \\S+ after 5 corrections in a row, it is corrected again in (1m0s|59s)$`,
      ),
    );
    // What else is changed is corrected at once, and the object that is fought over with it: that is one correction more.
    await takes("quiet", "somebody");
    await workspace.until("ConfigMap", "quiet", (object) => ownerOf("data" in object && object.data) === "git", 10);
    await sleep(10_000);
    await expect.poll(() => timesStored("fought git")).toBe(6);
    expect(ownerOf((await workspace.find("ConfigMap", "fought"))?.data)).toBe("operator");

    // Who changes it without end is told of once a time, and once he stops all is well at its time.
    for (let change = 0; change < 5; change++) await takes("fought", `operator-${change}`);
    isAtIt = false;
    expect((await contests()).length).toBeLessThanOrEqual(2);
    operator.stop();
    await workspace.until("ConfigMap", "fought", (object) => ownerOf("data" in object && object.data) === "git", 150);
    // The watch may tell a moment later than the read.
    await expect.poll(() => timesStored("fought git")).toBe(7);
  });
});
