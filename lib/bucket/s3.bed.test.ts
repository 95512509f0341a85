import { CreateBucketCommand, DeleteObjectCommand, PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { archivedFiles } from "../../test/bed/archived-files.ts";
import { bedPart, uniqueName } from "../../test/bed/bed.ts";
import { clientConfig } from "../../test/bed/localstack/deploy.ts";
import { type S3Front, startS3Front } from "../../test/bed/localstack/s3-front.ts";
import { bucketRevision } from "./bucket-revision.ts";
import { type FetchedBucket, fetchObjects, selectObjects } from "./fetch-bucket.ts";
import type { ObjectStore } from "./object-store.ts";
import { s3Store } from "./s3.ts";

const signal = AbortSignal.timeout(120_000);
const keys = { accessKeyId: "AKIDEXAMPLE", secretAccessKey: "canary-4711/+" };

describe("a bucket of S3", () => {
  let front: S3Front;
  let s3: S3Client;
  let region: string;

  beforeAll(async () => {
    const aws = await bedPart("localstack");
    region = aws.region;
    s3 = new S3Client(clientConfig(aws));
    front = await startS3Front(aws, { keys: { [keys.accessKeyId]: keys.secretAccessKey } });
  });
  afterAll(async () => {
    await front?.stop();
    s3?.destroy();
  });

  const bucketOf = async (objects: Record<string, string>): Promise<string> => {
    const bucket = uniqueName("bucket");
    await s3.send(new CreateBucketCommand({ Bucket: bucket }));
    for (const [key, body] of Object.entries(objects)) await put(bucket, key, body);
    return bucket;
  };
  const put = (bucket: string, key: string, body: string) =>
    s3.send(new PutObjectCommand({ Bucket: bucket, Key: key, Body: body }));
  const open = (bucket: string, credentials = keys): ObjectStore =>
    s3Store({
      endpoint: front.endpoint,
      bucket,
      region,
      insecure: true,
      credentials: async () => credentials,
      outbound: {},
    });
  const fetchAll = async (bucket: string, prefix = "", ignore?: string) => {
    const store = open(bucket);
    const source = { bucket, prefix, ...(ignore === undefined ? {} : { ignore }) };
    const selection = await selectObjects(store, source, signal);
    return { selection, ...(await filesOf(await fetchObjects(store, source, selection, undefined, signal))) };
  };
  const filesOf = async (fetched: FetchedBucket) => {
    const { spool, etags } = fetched;
    const files = await archivedFiles(spool.whole() ?? Buffer.alloc(0));
    spool.close();
    return { files, etags };
  };

  it("BKT-003, BKT-005, BKT-009, BKT-020, IGN-011: selects by prefix, file and patterns, and archives whole keys", async () => {
    const bucket = await bucketOf({
      "deploy/app.yaml": "a",
      "deploy/logo.png": "p",
      "deploy/.git/config": "g",
      "deploy/nested/.sourceignore": "*.yaml",
      "deploy/nested/b.yaml": "b",
      "deploy/secret.txt": "s",
      "deploy/empty/": "",
      "other/c.yaml": "c",
      ".sourceignore": "*.txt\nb.yaml\n",
    });
    const { files, etags, selection } = await fetchAll(bucket, "deploy/", "!b.yaml\n");
    expect(files).toEqual({
      ".sourceignore": "*.txt\nb.yaml\n",
      deploy: "/",
      "deploy/.git": "/",
      "deploy/.git/config": "g",
      "deploy/app.yaml": "a",
      "deploy/logo.png": "p",
      "deploy/nested": "/",
      "deploy/nested/.sourceignore": "*.yaml",
      "deploy/nested/b.yaml": "b",
    });
    expect(new Map([...selection.objects].map(([key, { etag }]) => [key, etag]))).toEqual(etags);
    expect(etags.get("deploy/app.yaml")).toBe("0cc175b9c0f1b6a831c399e269772661");
  });

  it("BKT-005, BKT-007, BKT-008: keys of any letters are asked for as they are, and confined", async () => {
    const odd = [
      "a b+c&d=e?f#g%h.txt",
      "ünïcode/日本.yaml",
      "!'()*~.txt",
      "a//b",
      "x/./y",
      "../up",
      "q/../../v",
      "'\"<&>.xml",
    ];
    const bucket = await bucketOf(Object.fromEntries(odd.map((key) => [key, key])));
    const { files } = await fetchAll(bucket);
    const contents = Object.values(files).filter((text) => text !== "/");
    expect(contents.sort()).toEqual([...odd].sort());
    expect(files.up).toBe("../up");
    expect(files["x/y"]).toBe("x/./y");
    expect(files.v).toBe("q/../../v");
  });

  it("BKT-008: a key that is also a directory is an error", async () => {
    const bucket = await bucketOf({ a: "1", "a/b": "2" });
    await expect(fetchAll(bucket)).rejects.toThrow(
      `fetch from bucket '${bucket}' failed: a part of the path "a/b" is both a file and a directory`,
    );
  });

  it("BKT-006, BKT-007: what goes or changes between listing and reading is left out or taken as it is now", async () => {
    const bucket = await bucketOf({ "a/gone": "1", "b/changed": "2", "b/same": "3", "b/gone": "4" });
    const store = open(bucket);
    const source = { bucket, prefix: "" };
    const selection = await selectObjects(store, source, signal);
    await s3.send(new DeleteObjectCommand({ Bucket: bucket, Key: "a/gone" }));
    await s3.send(new DeleteObjectCommand({ Bucket: bucket, Key: "b/gone" }));
    await put(bucket, "b/changed", "new");
    front.requests.length = 0;
    const { files, etags } = await filesOf(await fetchObjects(store, source, selection, undefined, signal));
    expect(files).toEqual({ b: "/", "b/changed": "new", "b/same": "3" });
    const now = await selectObjects(store, source, signal);
    expect(await bucketRevision(etags)).toBe(
      await bucketRevision(new Map([...now.objects].map(([key, { etag }]) => [key, etag]))),
    );
    expect(etags.get("b/changed")).not.toBe(selection.objects.get("b/changed")?.etag);
  });

  it("SB-009: of a thousand objects of which one changed, one is read", async () => {
    const objects = Object.fromEntries(
      Array.from({ length: 1000 }, (_, number) => [`d${number % 7}/${number}.yaml`, `text ${number}`]),
    );
    const bucket = await bucketOf(objects);
    const store = open(bucket);
    const source = { bucket, prefix: "" };
    const first = await fetchObjects(store, source, await selectObjects(store, source, signal), undefined, signal);
    await put(bucket, "d3/500.yaml", "changed");
    await s3.send(new DeleteObjectCommand({ Bucket: bucket, Key: "d4/501.yaml" }));
    const selection = await selectObjects(store, source, signal);
    front.requests.length = 0;
    const earlier = { etags: first.etags, archive: first.spool.whole() ?? Buffer.alloc(0) };
    const { spool, digest } = await fetchObjects(store, source, selection, earlier, signal);
    expect(front.requests).toEqual([`GET /${bucket}/d3/500.yaml`]);
    const fresh = await fetchObjects(store, source, selection, undefined, signal);
    expect(digest).toBe(fresh.digest);
    const { "d4/501.yaml": _, ...left } = objects;
    const files = await archivedFiles(spool.whole() ?? Buffer.alloc(0));
    expect(
      Object.entries(files)
        .filter(([, text]) => text !== "/")
        .sort(),
    ).toEqual(Object.entries({ ...left, "d3/500.yaml": "changed" }).sort());
    for (const one of [first, fresh]) one.spool.close();
    spool.close();
  });

  it("BKT-002, SEC-012: says what is missing and what is refused, without a key", async () => {
    const bucket = await bucketOf({ a: "1" });
    const source = { bucket: "not-there", prefix: "" };
    await expect(selectObjects(open("not-there"), source, signal)).rejects.toThrow("bucket 'not-there' not found");
    const wrong = open(bucket, { accessKeyId: keys.accessKeyId, secretAccessKey: "canary-4712" });
    await expect(selectObjects(wrong, { bucket, prefix: "" }, signal)).rejects.toThrow(
      `failed to confirm existence of '${bucket}' bucket: Access Denied.`,
    );
  });
});
