import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  beginSet,
  configMap,
  deployment,
  linesOf,
  referenceOf,
  secret,
  service,
} from "../../test/cluster/applied-set.ts";
import { type Fault, type FaultyServer, startFaultyServer } from "../../test/cluster/faulty-server.ts";
import type { KubernetesObject } from "../api/object.ts";
import { ApplyFailed, type ApplyOptions, applyObjects } from "./apply.ts";
import { findObject, getObject } from "./objects.ts";
import { PruneFailed, pruneObjects } from "./prune.ts";

let server: FaultyServer;

beforeAll(async () => {
  server = await startFaultyServer();
});

afterAll(() => server.stop());

/** The `nth` request (from 1) of those that match meets the fault, or each of them. */
function failing(fault: Fault, pattern: RegExp, nth?: number): (request: string) => Fault | undefined {
  let count = 0;
  return (request) => {
    if (!pattern.test(request)) return undefined;
    count += 1;
    return nth === undefined || count === nth ? fault : undefined;
  };
}

const isWrite = /^PATCH (?!.*dryRun)/;
const isTrial = /^PATCH .*dryRun/;

async function begin() {
  const set = await beginSet("faults");
  const apply = (objects: KubernetesObject[], more?: Partial<ApplyOptions>) => {
    server.passed = [];
    return applyObjects(server.client, objects, set.options(more));
  };
  server.fault = () => undefined;
  return { ...set, apply };
}

const four = (namespace: string, key = "value") => [
  configMap(namespace, "a", { key }),
  configMap(namespace, "b", { key }),
  secret(namespace, "c"),
  service(namespace, "d"),
];

/** Throws what it did not fail with. */
async function failureOf(applying: Promise<unknown>): Promise<ApplyFailed> {
  const error = await applying.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (error instanceof ApplyFailed) return error;
  throw error ?? new Error("nothing failed");
}

describe("an API server that is overloaded", () => {
  it.each([
    ["429", { answer: 429, headers: { "retry-after": "0" } }],
    ["503 with the time to ask again", { answer: 503, headers: { "retry-after": "0" } }],
  ] satisfies [string, Fault][])("is asked again after a %s, and nothing is applied twice", async (_name, fault) => {
    const set = await begin();
    for (const pattern of [isTrial, isWrite]) {
      const key = String(pattern);
      server.fault = failing(fault, pattern, 2);
      const result = await set.apply(four(set.namespace, key));
      expect(
        result.entries.filter(({ action }) => action === "created" || action === "configured").length,
      ).toBeGreaterThan(1);
      // Each object was written once at most.
      const written = server.passed.filter((request) => isWrite.test(request));
      expect(new Set(written).size).toBe(written.length);
      expect((await getObject(set.admin, referenceOf(configMap(set.namespace, "b")))).data).toEqual({ key });
    }
  });
});

describe("an API server that fails", () => {
  it("under a dry run leaves its stage unwritten, and says which object it was about", async () => {
    const set = await begin();
    server.fault = failing({ answer: 500, body: "etcdserver: leader changed" }, isTrial, 3);
    const failure = await failureOf(set.apply(four(set.namespace)));
    expect(failure.message).toMatch(
      new RegExp(
        `^\\w+/${set.namespace}/[abcd] dry-run failed \\(InternalError\\): an error on the server \\("etcdserver: leader changed"\\) has prevented the request from succeeding`,
      ),
    );
    expect(failure.entries).toEqual([]);
    expect(failure.unanswered).toEqual([]);
    expect(server.passed.filter((request) => isWrite.test(request))).toEqual([]);
  });

  it("SN-13: in the middle of the writes tells what was written, and the next apply writes the rest alone", async () => {
    const set = await begin();
    const objects = [...four(set.namespace), deployment(set.namespace, "e")];
    server.fault = failing({ answer: 500, body: "boom" }, /^PATCH .*\/secrets\/c\?(?!.*dryRun)/);
    const failure = await failureOf(set.apply(objects));
    expect(failure.message).toMatch(`Secret/${set.namespace}/c apply failed: an error on the server ("boom")`);
    expect(linesOf({ entries: [...failure.entries] })).toEqual([
      `ConfigMap/${set.namespace}/a created`,
      `ConfigMap/${set.namespace}/b created`,
    ]);
    expect(failure.unanswered).toEqual([referenceOf(secret(set.namespace, "c"))]);
    server.fault = () => undefined;
    const result = await set.apply(objects, { record: failure.record });
    expect(result.entries.map(({ action }) => action)).toEqual([
      "unchanged",
      "unchanged",
      "created",
      "created",
      "created",
    ]);
    expect(server.passed.filter((request) => isWrite.test(request))).toHaveLength(3);
  });

  it("SN-13: with an answer that is lost is asked again, and what was done is told as it was", async () => {
    const set = await begin();
    const objects = four(set.namespace);
    server.fault = failing("done but lost", isWrite, 2);
    const created = await set.apply(objects);
    expect(created.entries.map(({ action }) => action)).toEqual(Array(4).fill("created"));

    // The first write of a stage is conditional: its repetition meets what it did itself.
    const changed = four(set.namespace, "new");
    server.fault = failing("done but lost", isWrite, 1);
    const configured = await set.apply(changed, { record: created.record });
    expect(configured.entries.map(({ action }) => action)).toEqual([
      "configured",
      "configured",
      "unchanged",
      "unchanged",
    ]);
    const again = await set.apply(changed, { record: configured.record });
    expect(again.entries.map(({ action }) => action)).toEqual(Array(4).fill("unchanged"));
    expect(server.passed.filter((request) => !request.startsWith("GET "))).toEqual([]);
  });

  it("for good ends the apply with what was written, and nothing that was written is lost", async () => {
    const set = await begin();
    server.fault = failing("lost", /\/services\/d\?(?!.*dryRun)/);
    const failure = await failureOf(set.apply(four(set.namespace)));
    expect(failure.message).toBe(`Service/${set.namespace}/d apply failed: socket hang up`);
    expect(failure.entries).toHaveLength(3);
    expect(Object.keys(failure.record.objects)).toHaveLength(3);
    server.fault = failing("lost", isTrial);
    const next = await failureOf(set.apply(four(set.namespace), { record: failure.record }));
    expect(next.message).toBe(`Service/${set.namespace}/d dry-run failed: socket hang up`);
    expect(next.entries).toEqual([]);
    expect(Object.keys(next.record.objects)).toHaveLength(3);
  });

  it("SN-18: between a deletion and what takes its place has it made by the next apply", async () => {
    const set = await begin();
    const fixed = (key: string) => ({ ...configMap(set.namespace, "a", { key }), immutable: true });
    const first = await set.apply([fixed("1")]);
    server.fault = failing({ answer: 500, body: "boom" }, isWrite);
    const failure = await failureOf(set.apply([fixed("2")], { force: true, record: first.record }));
    expect(failure.message).toMatch(`ConfigMap/${set.namespace}/a apply failed: an error on the server ("boom")`);
    expect(await findObject(set.admin, referenceOf(fixed("1")))).toBeUndefined();
    server.fault = () => undefined;
    const result = await set.apply([fixed("2")], { force: true, record: failure.record });
    expect(linesOf(result)).toEqual([`ConfigMap/${set.namespace}/a created`]);
  });

  it("KS-176: under a prune tells each failure, and keeps what is to be tried again", async () => {
    const set = await begin();
    const objects = four(set.namespace);
    await set.apply(objects);
    const unread = failing({ answer: 500, body: "boom" }, /^GET .*\/configmaps\/a/);
    const unanswered = failing("done but lost", /^DELETE .*\/secrets\/c/, 1);
    server.fault = (request) => unread(request) ?? unanswered(request);
    const { group, ownerLabels } = set.options();
    const pruning = pruneObjects(server.client, objects.map(referenceOf), { group, ownerLabels });
    const error: unknown = await pruning.catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(PruneFailed);
    expect(error).toMatchObject({
      message: `delete failed, errors: ConfigMap/${set.namespace}/a query failed: an error on the server ("boom") has prevented the request from succeeding (get configmaps a);`,
      survivors: [referenceOf(configMap(set.namespace, "a"))],
    });
    expect(await findObject(set.admin, referenceOf(secret(set.namespace, "c")))).toBeUndefined();
  });
});
