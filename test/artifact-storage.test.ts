import { mkdir, rm, truncate } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { messageOf, openSources, type Sources, typesOf } from "./bed/sources.ts";
import { conditionOf } from "./bed/workspace.ts";

let sources: Sources;

beforeAll(async () => {
  sources = await openSources("artifact");
});

afterAll(() => sources?.close());

describe("what is stored", () => {
  it("ART-012: what has disappeared is built again, without a word", async () => {
    const { object } = await sources.source("gone");
    const events = (await sources.told("gone")).length;
    await rm(join(sources.stored, object.status?.artifact?.path ?? ""));
    expect((await sources.download(object.status?.artifact?.url ?? "")).status).toBe(404);
    const rebuilt = await sources.reconciled("gone");
    expect(rebuilt.status?.artifact).toMatchObject({ digest: object.status?.artifact?.digest });
    await sources.archive(rebuilt);
    expect(typesOf(rebuilt)).toEqual(["ArtifactInStorage", "Ready"]);
    expect(await sources.told("gone")).toHaveLength(events);
  });

  it("ART-013: what was cut off is told of and built again", async () => {
    const object = await sources.untilReady("GitRepository", "gone");
    await truncate(join(sources.stored, object.status?.artifact?.path ?? ""), 10);
    await sources.archive(await sources.reconciled("gone"));
    const [type, reason, words] = (await sources.told("gone")).at(-1) ?? [];
    expect([type, reason]).toEqual(["Warning", "ArtifactVerificationFailed"]);
    expect(words).toMatch(/^failed to verify integrity of artifact: /);
  });

  it("TM-004, ART-003: a status that names another object's artifact gives nobody what is in it", async () => {
    const [owner, thief] = await Promise.all([sources.source("owner"), sources.source("thief")]);
    const own = thief.object.status?.artifact;
    await sources.client.request({
      method: "PATCH",
      path: `/apis/source.toolkit.fluxcd.io/v1/namespaces/${sources.namespace}/gitrepositories/thief/status`,
      contentType: "application/merge-patch+json",
      body: { status: { artifact: owner.object.status?.artifact } },
    });
    await sources.kustomization("thief", { sourceRef: { kind: "GitRepository", name: "thief" } });
    const refused = await sources.until(
      "Kustomization",
      "thief",
      ({ status }) => conditionOf(status, "Ready")?.reason === "ArtifactFailed",
    );
    expect(messageOf(refused)).toMatch(
      /the status of GitRepository\/artifact-[^/]+\/thief is not of an artifact of its own$/,
    );
    const healed = await sources.reconciled("thief");
    expect(healed.status?.artifact).toMatchObject({ path: own?.path, url: own?.url, digest: own?.digest });
    await sources.archive(healed);
  });

  it("SRC-012, SRC-036, ART-023: a store that refuses leaves the old artifact, outdated", async () => {
    const { repository, object } = await sources.source("refused");
    const commit = await repository.commit({ "app/a.txt": "two\n" });
    const obstacle = join(sources.stored, "gitrepository", sources.namespace, "refused", `${commit}.tar.gz`);
    await mkdir(join(obstacle, "x"), { recursive: true });
    await sources.reconcile("GitRepository", "refused");
    const failed = await sources.untilFailed("refused", "ArchiveOperationFailed");
    expect(messageOf(failed)).toMatch(/^unable to archive artifact to storage: /);
    expect(conditionOf(failed.status, "StorageOperationFailed")).toMatchObject({ status: "True" });
    expect(conditionOf(failed.status, "ArtifactOutdated")).toMatchObject({
      ...{ status: "True", reason: "NewRevision", message: `new upstream revision 'main@sha1:${commit}'` },
    });
    expect(messageOf(failed, "Reconciling")).toBe(`building artifact: new upstream revision 'main@sha1:${commit}'`);
    expect(failed.status?.artifact).toEqual(object.status?.artifact);
    await rm(obstacle, { recursive: true });
    const ready = await sources.untilReady("GitRepository", "refused", 30);
    expect(typesOf(ready)).toEqual(["ArtifactInStorage", "Ready"]);
    expect(ready.status?.artifact?.revision).toBe(`main@sha1:${commit}`);
  });

  it("ART-015, ART-016: of many revisions two are kept, the last among them", async () => {
    const { repository } = await sources.source("many");
    for (const content of ["two", "three", "four"]) {
      const commit = await repository.commit({ "app/a.txt": content });
      await sources.reconciled("many");
      const kept = await sources.files("many");
      expect(kept).toHaveLength(2);
      expect(kept).toContain(`${commit}.tar.gz`);
    }
    expect(await sources.told("many")).toContainEqual([
      "Normal",
      "GarbageCollectionSucceeded",
      "garbage collected 1 artifacts",
    ]);
  });
});
