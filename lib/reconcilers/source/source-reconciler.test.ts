import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { Condition } from "../../api/condition.ts";
import type { Context } from "../../engine/reconciler.ts";
import { parseSettings } from "../../engine/settings.ts";
import { createLocalArtifactStore } from "../../platform/local/artifact-store.ts";
import { createLocalLogger } from "../../platform/local/log.ts";
import { SourceFailure } from "./source-failure.ts";
import type { SourceKind, SourceObject, SourceStatus } from "./source-kind.ts";
import { sourceReconciler } from "./source-reconciler.ts";

const log = createLocalLogger({ format: "json", write: () => undefined });
const now = new Date("2026-01-01T12:00:00Z");

async function contextOf(): Promise<Context> {
  const artifacts = createLocalArtifactStore(await mkdtemp(join(tmpdir(), "sluice-life-")));
  const absent = (what: string) => () => Promise.reject(new Error(`${what} is not a part of this`));
  return {
    ...{ clusterId: "home", endpoint: "https://sluice.test", redelivered: false, cause: { type: "schedule" } },
    ...{ artifacts, log, remoteClusters: [], signal: new AbortController().signal },
    ...{ clock: { now: () => now }, settings: parseSettings([], "flux-system", log) },
    ...{ secrets: { read: async () => "a seed" }, progress: () => undefined, announce: async () => undefined },
    records: { get: async () => undefined, put: absent("a record"), remove: absent("a record") },
  } as unknown as Context;
}

const object = (conditions: Condition[] = []): SourceObject => ({
  ...{ apiVersion: "source.toolkit.fluxcd.io/v1", kind: "GitRepository" },
  metadata: { namespace: "apps", name: "app", uid: "1", generation: 2 },
  spec: { interval: "1h" },
  status: { observedGeneration: 2, conditions },
});

/** A kind whose attempt succeeds, or fails as it is told. */
function kindOf(failure?: SourceFailure): SourceKind<SourceStatus, SourceObject> {
  return {
    against: ["StorageOperationFailed", "FetchFailed", "ArtifactOutdated"],
    recoveries: ["StorageOperationFailed", "FetchFailed"],
    clearsStorageFailure: "start",
    produce: async () => {
      if (failure !== undefined) throw failure;
      return { inStorage: { reason: "Succeeded", message: "stored" }, event: { message: "stored" } };
    },
    failureOf: (error) => new SourceFailure("FetchFailed", "GitOperationFailed", String(error)),
  };
}

async function reconcile(kind: ReturnType<typeof kindOf>, conditions: Condition[] = []) {
  const outcome = await sourceReconciler(kind).reconcile(object(conditions), await contextOf());
  const list = outcome.status.conditions as Condition[];
  return { ...outcome, of: (type: string) => list.find((condition) => condition.type === type) };
}

const condition = (type: string, status: Condition["status"], reason: string): Condition => ({
  ...{ type, status, reason, message: `${reason} it was`, observedGeneration: 2 },
  lastTransitionTime: "2026-01-01T00:00:00Z",
});

describe("the summary of an attempt at a source", () => {
  it("SRC-014: is a failure, and tried again backing off, where every step succeeded and Ready is not True", async () => {
    const { of, again, events, status } = await reconcile(kindOf(), [
      condition("SourceVerified", "False", "InvalidCommitSignature"),
    ]);
    expect(of("Ready")).toMatchObject({ status: "False", reason: "InvalidCommitSignature" });
    expect(of("Ready")?.message).toBe("InvalidCommitSignature it was");
    expect(again).toEqual({ backOff: true });
    expect(status.observedGeneration).toBe(2);
    expect(events).toEqual([
      expect.objectContaining({
        type: "Warning",
        reason: "InvalidCommitSignature",
        message: "InvalidCommitSignature it was",
      }),
    ]);
  });

  it("SRC-011, SRC-014: is a success, and waits for the interval, where nothing speaks against Ready", async () => {
    const before = [
      condition("FetchFailed", "True", "GitOperationFailed"),
      condition("SourceVerified", "True", "Succeeded"),
    ];
    const { of, again } = await reconcile(kindOf(), before);
    expect(of("Ready")).toMatchObject({ status: "True", reason: "Succeeded", message: "stored" });
    expect([of("FetchFailed"), again]).toEqual([undefined, undefined]);
  });

  it("SRC-012, SRC-015, SRC-016: is the first condition against Ready, retried unless only a change can mend it", async () => {
    const failed = await reconcile(kindOf(new SourceFailure("FetchFailed", "GitOperationFailed", "no answer")), [
      condition("ArtifactOutdated", "True", "NewRevision"),
    ]);
    expect(failed.of("Ready")).toMatchObject({ status: "False", reason: "GitOperationFailed", message: "no answer" });
    expect(failed.of("Reconciling")).toMatchObject({ status: "True", reason: "ProgressingWithRetry" });
    expect(failed.again).toEqual({ backOff: true });
    const terminal = new SourceFailure("FetchFailed", "URLInvalid", "no address", { terminal: true });
    const stalled = await reconcile(kindOf(terminal));
    expect(stalled.of("Stalled")).toMatchObject({ status: "True", reason: "URLInvalid" });
    expect([stalled.of("Reconciling"), stalled.again]).toEqual([undefined, undefined]);
  });
});
