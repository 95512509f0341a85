import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createObject, deleteObject, patchObject, referenceTo } from "../../lib/cluster/objects.ts";
import type { GitRepository } from "../../lib/host/git/repository.ts";
import { startSluice } from "../bed/sluice.ts";
import {
  apiVersions,
  conditionOf,
  configMap,
  isReady,
  openWorkspace,
  type Reconciled,
  type Workspace,
} from "../bed/workspace.ts";
import { gadgetPushes } from "./gadget-pushes.ts";
import { json } from "./gadgets.ts";

let directory: string;
let sluice: Awaited<ReturnType<typeof startSluice>>;
let workspace: Workspace;
let repository: GitRepository;
/** How long each look at a Kustomization has taken, in milliseconds. */
let looks: number[] = [];

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "sluice-obstacles-"));
  sluice = await startSluice({
    directory,
    wrap: (platform) => ({
      ...platform,
      consume: (queue, handler, options) => {
        const timed: typeof handler = async (body, delivery) => {
          const start = performance.now();
          await handler(body, delivery);
          if (queue === "apply") looks.push(performance.now() - start);
        };
        platform.consume(queue, timed, options);
      },
    }),
  });
  workspace = await openWorkspace("obstacles", { sluice });
  repository = await workspace.repository({ "other/config.yaml": configMap("other", { version: "0" }) });
  await workspace.gitRepository("source", repository.url);
  await workspace.kustomization("other", { path: "./other" });
  await workspace.untilReady("Kustomization", "other");
}, 900_000);

afterAll(async () => {
  await workspace?.close();
  await sluice?.stop();
  await rm(directory, { recursive: true, force: true });
});

const { definition, gadget, present, push, untilApplied, untilSaid } = gadgetPushes(() => ({ workspace, repository }));

const isWaiting = ({ status }: Reconciled) =>
  conditionOf(status, "Ready")?.status === "Unknown" && conditionOf(status, "Reconciling")?.status === "True";

/** Pushes change the other Kustomization for some seconds: it goes on, and no look is long. */
async function othersGoOn(seconds: number): Promise<void> {
  looks = [];
  const end = Date.now() + seconds * 1000;
  for (let version = 1; Date.now() < end; version++) {
    const data = { version: `${Date.now()}-${version}` };
    await untilApplied("other", await push({ "other/config.yaml": configMap("other", data) }), 10);
    await sleep(2000);
  }
  expect(looks.length).toBeGreaterThan(seconds / 4);
  expect(Math.max(...looks)).toBeLessThan(3000);
}

describe("a definition that takes long", () => {
  it("KS-131, KS-134, SN-09: is waited for without a function, and its revision is applied when it is there", {
    timeout: 180_000,
  }, async () => {
    const [slow, held] = [definition("slow"), gadget("slow", "held")];
    const finalizers = ["example.org/hold"];
    await createObject(workspace.client, slow);
    const heldObject = { ...held, metadata: { ...held.metadata, finalizers } };
    await expect
      .poll(() =>
        createObject(workspace.client, heldObject).then(
          () => true,
          () => false,
        ),
      )
      .toBe(true);
    await deleteObject(workspace.client, referenceTo(slow));
    const revision = await push({ "slow/all.yaml": json(slow, gadget("slow", "one")) });
    await workspace.kustomization("slow", { path: "./slow", retryInterval: "1h" });
    await workspace.until("Kustomization", "slow", isWaiting);
    await othersGoOn(30);
    const waiting = await workspace.until("Kustomization", "slow", isWaiting, 0);
    expect(conditionOf(waiting.status, "Reconciling")?.reason).toBe("Progressing");
    expect(await present(gadget("slow", "one"))).toBe(false);
    await patchObject(
      workspace.client,
      referenceTo(held),
      { merge: { metadata: { finalizers: null } } },
      { fieldManager: "t" },
    );
    const { status } = await workspace.until("Kustomization", "slow", isReady);
    expect(status?.lastAttemptedRevision).toBe(status?.lastAppliedRevision);
    expect(revision).toMatch(/^main/);
    expect(await present(gadget("slow", "one"))).toBe(true);
    const warnings = (await workspace.events("Kustomization", "slow")).filter(({ type }) => type === "Warning");
    expect(warnings).toEqual([]);
  });

  it("KS-131, SN-09: whose names are taken waits with what else is under way, and is applied once they are free", {
    timeout: 180_000,
  }, async () => {
    const [taker, taken] = [definition("taken", "takers"), definition("taken")];
    await createObject(workspace.client, taker);
    const leaving = `${workspace.namespace}-leaving`;
    const namespace = { apiVersion: "v1", kind: "Namespace", metadata: { name: leaving } };
    await createObject(workspace.client, namespace);
    const finalizers = ["example.org/hold"];
    const anchor = {
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { name: "anchor", namespace: leaving, finalizers },
    };
    await createObject(workspace.client, anchor);
    await deleteObject(workspace.client, referenceTo(namespace));
    await push({ "taken/all.yaml": json(taken, namespace, gadget("taken", "one")) });
    // A targetNamespace would give the namespace its own name.
    await workspace.create({
      apiVersion: apiVersions.Kustomization,
      kind: "Kustomization",
      metadata: { name: "taken" },
      spec: { interval: "1h", path: "./taken", prune: true, sourceRef: { kind: "GitRepository", name: "source" } },
    });
    await workspace.until("Kustomization", "taken", isWaiting);
    await othersGoOn(30);
    await workspace.until("Kustomization", "taken", isWaiting, 0);
    await deleteObject(workspace.client, referenceTo(taker));
    await patchObject(
      workspace.client,
      referenceTo(anchor),
      { merge: { metadata: { finalizers: null } } },
      { fieldManager: "t" },
    );
    await workspace.untilReady("Kustomization", "taken", 40);
    expect(await present(gadget("taken", "one"))).toBe(true);
  });

  it("KS-131: whose names are taken, and nothing else is under way, fails at once, and is applied when they are free", async () => {
    const [taker, refused] = [definition("refused", "takers"), definition("refused")];
    await createObject(workspace.client, taker);
    await push({ "refused/all.yaml": json(refused, gadget("refused", "one")) });
    await workspace.kustomization("refused", { path: "./refused", retryInterval: "2s" });
    const name = refused.metadata.name;
    const text = `failed early due to stalled resources: [CustomResourceDefinition/${name} status: 'Failed']`;
    await untilSaid("refused", new RegExp(`^${text.replaceAll(/[[\].]/g, "\\$&")}`));
    await deleteObject(workspace.client, referenceTo(taker));
    await workspace.untilReady("Kustomization", "refused", 40);
    expect(await present(gadget("refused", "one"))).toBe(true);
  });
});
