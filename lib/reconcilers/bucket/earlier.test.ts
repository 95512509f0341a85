import { createHash } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, expect, it } from "vitest";
import { bucketRevision } from "../../bucket/bucket-revision.ts";
import { createLocalArtifactStore } from "../../platform/local/artifact-store.ts";
import { createLocalLogger } from "../../platform/local/log.ts";
import type { ArtifactStore } from "../../platform/ports.ts";
import { copyIndex, earlierArtifact, indexKey, keepIndex, removeIndex } from "./earlier.ts";

const object = { kind: "Bucket", metadata: { namespace: "team", name: "app" } };
const etags = new Map([
  ["a", "1"],
  ["b", "2"],
  ["c", "3"],
]);
const digest = `sha256:${createHash("sha256").update("archive").digest("hex")}`;
const place = '["generic","minio.test","bucket"]';

let directory: string;
let artifacts: ArtifactStore;
const warnings: string[] = [];
const log = createLocalLogger({ format: "json", level: "debug", write: (line) => warnings.push(line) });
const context = () => ({ artifacts, clusterId: "home", log });
const selection = (changed: string[] = []) => ({
  objects: new Map([...etags].map(([key, etag]) => [key, { etag: changed.includes(key) ? "new" : etag, size: 1 }])),
});
const artifactOf = async (more: object = {}) => ({
  revision: await bucketRevision(etags),
  digest: "sha256:00",
  path: "bucket/team/app/file.tar.gz",
  url: "https://sluice.test/file",
  lastUpdateTime: "2026-01-01T00:00:00Z",
  size: 7,
  ...more,
});
const find = async (artifact = artifactOf(), bucket = place, wanted = selection(["c"])) =>
  earlierArtifact(context(), object, await artifact, bucket, wanted);

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "sluice-earlier-"));
  artifacts = createLocalArtifactStore(directory);
  await artifacts.put("home/bucket/team/app/file.tar.gz", Buffer.from("archive"));
});
afterAll(() => rm(directory, { recursive: true, force: true }));

it("SB-009: what an artifact holds is known by its own etags, of its own bucket", async () => {
  expect(await find()).toBeUndefined();
  await keepIndex(context(), object, place, etags, digest);
  const found = await find();
  expect(found?.etags).toEqual(etags);
  expect(Buffer.from(found?.archive ?? []).toString()).toBe("archive");
  // The same keys and etags in another bucket may be other content.
  expect(await find(undefined, '["generic","other.test","bucket"]')).toBeUndefined();
  expect(await find(artifactOf({ revision: await bucketRevision(new Map([["a", "1"]])) }))).toBeUndefined();
  expect(await find(artifactOf({ revision: "main@sha1:0123" }))).toBeUndefined();
  // A status that names another file of the object's, whatever it says of the revision (TM-004).
  await artifacts.put("home/bucket/team/app/other.tar.gz", Buffer.from("another"));
  expect(await find(artifactOf({ path: "bucket/team/app/other.tar.gz" }))).toBeUndefined();
  expect(await find(artifactOf({ size: 129 * 1024 * 1024 }))).toBeUndefined();
  // One request is not worth reading an archive.
  expect(await find(undefined, place, selection(["b", "c"]))).toBeUndefined();
});

it("SB-002, SB-009, SRC-022: it goes with the artifact to others, and with the object", async () => {
  await keepIndex(context(), object, place, etags, digest);
  const other = { kind: "Bucket", metadata: { namespace: "team", name: "other" } };
  await copyIndex(context(), other, indexKey("home", object));
  await removeIndex(context(), object);
  expect(await find()).toBeUndefined();
  expect(await artifacts.head(indexKey("home", other))).toBeDefined();
});

it("what is no index, or is one without end, costs requests and nothing else", async () => {
  const broken = [
    Buffer.from("no gzip"),
    ...["no JSON", "[]", "null", '{"bucket":1}', JSON.stringify({ bucket: place, etags: [1, null, ["a"]] })].map(
      (text) => gzipSync(text),
    ),
    gzipSync(Buffer.alloc(100 * 1024 * 1024), { level: 1 }),
  ];
  for (const bytes of broken) {
    await artifacts.put(indexKey("home", object), bytes);
    expect(await find()).toBeUndefined();
  }
  expect(warnings.length).toBeGreaterThan(0);
});
