import { mkdir, mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, vi } from "vitest";
import type { Condition } from "../../api/condition.ts";
import { ApiError } from "../../cluster/api-error.ts";
import type { Context } from "../../engine/reconciler.ts";
import { parseSettings } from "../../engine/settings.ts";
import { createLocalArtifactStore } from "../../platform/local/artifact-store.ts";
import { createLocalLogger } from "../../platform/local/log.ts";
import type { Json } from "../../platform/ports.ts";
import { openSpool } from "../../platform/spool.ts";
import { storeShared } from "./shared-content.ts";
import { SourceFailure } from "./source-failure.ts";
import type { SourceKind, SourceObject, SourcePass, SourceStatus } from "./source-kind.ts";
import { sourceReconciler } from "./source-reconciler.ts";

const log = createLocalLogger({ format: "json", write: () => undefined });
const now = new Date("2026-01-01T12:00:00Z");

/** What a part of the deployment says that fails. */
const broken = () => Promise.reject(new Error("the part is broken"));

async function contextOf(parts: Partial<Context> = {}): Promise<Context> {
  const artifacts = createLocalArtifactStore(await mkdtemp(join(tmpdir(), "sluice-life-")));
  const absent = (what: string) => () => Promise.reject(new Error(`${what} is not a part of this`));
  return {
    ...{ clusterId: "home", endpoint: "https://sluice.test", redelivered: false, cause: { type: "schedule" } },
    ...{ artifacts, log, remoteClusters: [], signal: new AbortController().signal },
    ...{ clock: { now: () => now }, settings: parseSettings([], "flux-system", log) },
    ...{
      secrets: { read: async () => "a seed that only this test knows" },
      progress: () => undefined,
      announce: async () => undefined,
    },
    records: { get: async () => undefined, put: absent("a record"), remove: absent("a record") },
    ...parts,
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

async function reconcile(
  kind: ReturnType<typeof kindOf>,
  conditions: Condition[] = [],
  { parts = {}, made = object(conditions) }: { parts?: Partial<Context>; made?: SourceObject } = {},
) {
  const outcome = await sourceReconciler(kind).reconcile(made, await contextOf(parts));
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

/** A kind whose attempt stores a file, or does something else before. */
const storing = (file: string, work: (pass: SourcePass) => Promise<void> = async () => undefined) => ({
  ...kindOf(),
  produce: async (pass: SourcePass) => {
    await work(pass);
    await pass.store(file, Buffer.from("x"), { revision: "one" });
    return { inStorage: { reason: "Succeeded" as const, message: "stored" }, event: { message: "stored" } };
  },
});

describe("a part that fails while a source is stored (SRC-037)", () => {
  const artifact = { digest: "sha256:1", revision: "one", path: "a.tgz", url: "u", lastUpdateTime: "x", size: 1 };
  const stored = (): SourceObject => ({ ...object(), status: { observedGeneration: 2, artifact } });
  /** The condition of a failed attempt, which is what Ready and the event say, and tried again. */
  const failureOf = async (attempt: ReturnType<typeof reconcile>, condition = "StorageOperationFailed") => {
    const { of, again, events } = await attempt;
    const { reason = "", message = "" } = of(condition) ?? {};
    expect(of("Ready")).toMatchObject({ status: "False", reason, message });
    expect(again).toEqual({ backOff: true });
    expect(events).toEqual([expect.objectContaining({ type: "Warning", reason, message })]);
    return `${reason}: ${message}`;
  };
  const artifactsWith = async (parts: Partial<Context["artifacts"]>) => ({
    artifacts: { ...(await contextOf()).artifacts, ...parts },
  });

  it("SRC-037: StatOperationFailed where the store cannot say whether it has the artifact, which stays in the status", async () => {
    const attempt = reconcile(kindOf(), [], { parts: await artifactsWith({ head: broken }), made: stored() });
    expect(await failureOf(attempt)).toBe(
      "StatOperationFailed: failed to stat target artifact path: the part is broken",
    );
    expect((await attempt).status).toMatchObject({ artifact });
  });

  it("SRC-037: InvalidPath where the artifact's file would not be one of the object's own", async () => {
    for (const file of ["../other/latest.tar.gz", "..", "a/b.tgz", ""])
      expect(await failureOf(reconcile(storing(file)))).toBe(
        `InvalidPath: invalid target path: ${JSON.stringify(file)} is not the name of a file`,
      );
  });

  it("SRC-037: DirectoryCreationFailed where there is no place for the object's files, or for temporary ones", async () => {
    const directory = await mkdtemp(join(tmpdir(), "sluice-place-"));
    await mkdir(join(directory, "files/home"), { recursive: true });
    await writeFile(join(directory, "files/home/gitrepository"), "no directory");
    const artifacts = createLocalArtifactStore(directory);
    expect(await failureOf(reconcile(storing("a.tgz"), [], { parts: { artifacts } }))).toMatch(
      /^DirectoryCreationFailed: failed to create artifact directory: E(EXIST|NOTDIR): /,
    );
    const spool = openSpool({ memory: 0 });
    const outgrown = storing("a.tgz", async () => {
      vi.stubEnv("TMPDIR", join(directory, "none"));
      try {
        spool.write(Buffer.from("x"));
      } finally {
        vi.unstubAllEnvs();
      }
    });
    expect(await failureOf(reconcile(outgrown))).toMatch(
      /^DirectoryCreationFailed: failed to create temporary working directory: ENOENT: .*mkdtemp/,
    );
  });

  it("SRC-037: ArchiveOperationFailed where the store takes no file, in the words of the kind", async () => {
    const parts = await artifactsWith({ put: broken });
    const failed = "ArchiveOperationFailed: unable to archive artifact to storage: the part is broken";
    expect(await failureOf(reconcile(storing("a.tgz"), [], { parts }))).toBe(failed);
    const chart = { ...storing("a.tgz"), storing: () => "unable to copy Helm chart to storage" };
    expect(await failureOf(reconcile(chart, [], { parts }))).toBe(
      "ArchiveOperationFailed: unable to copy Helm chart to storage: the part is broken",
    );
  });

  it("SRC-037: AcquireLockFailed where nobody can say whether another object is at the same work", async () => {
    const shared = async (pass: SourcePass) => {
      await storeShared<string>(pass, {
        asked: ["a"],
        file: "a.tgz",
        isFacts: (value: Json): value is string => typeof value === "string",
        fetch: async () => ({ bytes: Buffer.from("x"), facts: "" }),
        accept: async () => ({ revision: "one" }),
      });
    };
    const failing: Partial<Context["records"]>[] = [{ get: broken }, { get: async () => undefined, put: broken }];
    for (const part of failing) {
      const records = { ...(await contextOf()).records, ...part };
      expect(await failureOf(reconcile(storing("a.tgz", shared), [], { parts: { records } }))).toBe(
        "AcquireLockFailed: failed to acquire lock for artifact: the part is broken",
      );
    }
  });

  it("SRC-020: a suspended object that was looked at before has its generation observed, and is otherwise as it was", async () => {
    const { suspended } = sourceReconciler(kindOf());
    const at = { lastTransitionTime: "2026-01-01T00:00:00Z", observedGeneration: 2 };
    const told = { status: "True", reason: "Succeeded", message: "stored", ...at } as const;
    const stalled = { type: "Stalled", status: "True", reason: "URLInvalid", message: "bad", ...at } as const;
    const conditions: Condition[] = [{ type: "Ready", ...told }, { type: "ArtifactInStorage", ...told }, stalled];
    const edited = { ...object(conditions), spec: { interval: "1h", suspend: true } };
    edited.metadata = { ...edited.metadata, generation: 3 };
    expect([object(), edited].map((one) => suspended?.isSuspended(one))).toEqual([false, true]);
    expect(suspended?.outcome(edited, await contextOf())).toEqual({
      events: [],
      status: {
        observedGeneration: 3,
        conditions: [
          { type: "Ready", ...told, observedGeneration: 3 },
          { type: "ArtifactInStorage", ...told },
        ],
      },
    });
    const fresh = { ...edited, status: { observedGeneration: -1 } };
    expect(suspended?.outcome(fresh, await contextOf())).toEqual({ events: [], status: { observedGeneration: -1 } });
  });

  it("SRC-037: PatchOperationFailed where the status of an attempt that begins is refused, not where the server is in trouble or the object is gone", async () => {
    const changed = { ...object(), metadata: { ...object().metadata, generation: 3 } };
    const refused = () => Promise.reject(new ApiError(422, "Invalid", "no such status"));
    const { events, again, of } = await reconcile(kindOf(), [], { parts: { announce: refused }, made: changed });
    expect(events).toMatchObject([
      { type: "Warning", reason: "PatchOperationFailed", message: "no such status", trace: { step: "status" } },
    ]);
    expect([again, of("Stalled")]).toEqual([{ backOff: true }, undefined]);
    for (const error of [new ApiError(404, "NotFound", "gone"), new ApiError(429, "", "gone"), new Error("gone")]) {
      const announce = () => Promise.reject(error);
      await expect(reconcile(kindOf(), [], { parts: { announce }, made: changed })).rejects.toThrow("gone");
    }
  });
});
