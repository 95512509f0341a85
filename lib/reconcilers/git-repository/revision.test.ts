import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { createLocalRecordStore } from "../../platform/local/record-store.ts";
import { confirmRevision, lookUpRevision } from "./revision.ts";

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "sluice-revision-"));
});
afterAll(() => rm(directory, { recursive: true, force: true }));

it("SB-002, SB-004, TM-004: a commit that a status says is stored is looked up for nothing, and asked for before it is taken from others", async () => {
  const commit = "ab".repeat(20);
  const digest = "sha256:00";
  const artifact = { digest, revision: `sha1:${commit}`, path: "p", url: "u", lastUpdateTime: "2026-01-01T00:00:00Z" };
  const status = { observedGeneration: 1, artifact };
  const object = {
    ...{ apiVersion: "source.toolkit.fluxcd.io/v1", kind: "GitRepository" },
    metadata: { name: "app", namespace: "team", uid: "u", generation: 1 },
    spec: { url: "http://127.0.0.1:1/app.git", interval: "1m", ref: { commit } },
    status,
  };
  const now = new Date("2026-11-25T10:00:00Z");
  const context = {
    ...{ clusterId: "home", cause: { type: "schedule", slot: "1" }, clock: { now: () => now } },
    ...{ records: createLocalRecordStore(join(directory, "records")), signal: AbortSignal.timeout(20_000) },
    secrets: { read: async () => "a seed that only this test knows" },
  };
  const pass = { object, context, status, signal: context.signal, wakes: [] } as unknown as Parameters<
    typeof lookUpRevision
  >[0];
  const reference = { commit };
  const source = { url: object.spec.url, asker: ["a"], reference, observedRevision: artifact.revision };
  const found = await lookUpRevision(pass, source);
  expect(found).toEqual({ revision: artifact.revision, commit });
  await expect(confirmRevision(pass, source, found)).rejects.toThrow(/connection refused/);
  // Another commit than the one that is stored has been asked for already.
  await expect(lookUpRevision(pass, { ...source, observedRevision: "sha1:00" })).rejects.toThrow(/connection refused/);
  expect(await confirmRevision(pass, { ...source, observedRevision: "sha1:00" }, found)).toBe(found);
});
