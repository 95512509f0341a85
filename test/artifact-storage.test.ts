import { mkdir, rename, rm, symlink, truncate, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { CreateBucketCommand, PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { bedPart, uniqueName } from "./bed/bed.ts";
import { startChartRepository } from "./bed/chart-repository.ts";
import { clientConfig } from "./bed/localstack/deploy.ts";
import { startS3Front } from "./bed/localstack/s3-front.ts";
import { startRegistryFront } from "./bed/registry/front.ts";
import { pushArtifact } from "./bed/registry/push.ts";
import { messageOf, openSources, type Sources, typesOf } from "./bed/sources.ts";
import { apiVersions, conditionOf, type Reconciled } from "./bed/workspace.ts";

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

describe("a store that takes no new artifact", () => {
  type Kind = "OCIRepository" | "Bucket" | "HelmRepository" | "HelmChart";
  const ending: (() => Promise<void>)[] = [];
  afterAll(async () => {
    for (const end of ending) await end();
  });

  const create = (kind: Kind, name: string, spec: Record<string, unknown>) =>
    sources.create({ apiVersion: apiVersions[kind], kind, metadata: { name }, spec: { interval: "1h", ...spec } });
  const secret = (name: string, stringData: Record<string, string>) =>
    sources.create({ apiVersion: "v1", kind: "Secret", metadata: { name }, stringData });

  /**
   * An object whose source changes while the store has no place for what is new: a second object, which has, shows what it is
   * called. Resolves with the object as it failed, and with the new revision, which the object has when there is a place again.
   */
  async function blocked(kind: Kind, spec: Record<string, unknown>, change: () => Promise<unknown>) {
    await create(kind, "blocked", spec);
    const before = await sources.untilReady(kind, "blocked");
    await sources.patch(kind, "blocked", { spec: { suspend: true } });
    await change();
    await create(kind, "ahead", spec);
    // What is made just after another look takes over what that look has seen.
    await sources.untilReady(kind, "ahead");
    await sources.reconcile(kind, "ahead");
    const old = before.status?.artifact?.revision;
    const ahead = await sources.until(kind, "ahead", ({ status }) => status?.artifact?.revision !== old);
    const { revision = "", path = "" } = ahead.status?.artifact ?? {};
    const obstacle = join(sources.stored, dirname(before.status?.artifact?.path ?? ""), basename(path));
    await mkdir(join(obstacle, "x"), { recursive: true });
    await sources.patch(kind, "blocked", { spec: { suspend: false } });
    const failed = await sources.until(
      kind,
      "blocked",
      ({ status }) => conditionOf(status, "Ready")?.reason === "ArchiveOperationFailed",
    );
    expect(failed.status?.artifact).toEqual(before.status?.artifact);
    await rm(obstacle, { recursive: true });
    const ready = await sources.until(kind, "blocked", ({ status }) => status?.artifact?.revision === revision, 30);
    expect(typesOf(ready)).toEqual(["ArtifactInStorage", "Ready"]);
    const outdated = conditionOf(failed.status, "ArtifactOutdated");
    const told = messageOf(failed, "StorageOperationFailed").replace(/ to storage: .*/, " to storage");
    expect(messageOf(failed, "Reconciling")).toBe(`building artifact: ${outdated?.message}`);
    return { outdated: [outdated?.status, outdated?.reason, outdated?.message], told, revision };
  }

  it("ART-023, SRC-037: leaves the old artifact of every other kind, which says what there is now, until it takes it", async () => {
    const [registry, aws, charts] = await Promise.all([
      bedPart("registry"),
      bedPart("localstack"),
      startChartRepository(),
    ]);
    ending.push(() => charts.stop());
    const front = await startRegistryFront(registry.url);
    ending.push(() => front.stop());
    const target = { url: registry.url, repository: uniqueName("team/outdated") };
    const push = (content: string) =>
      pushArtifact(target, "latest", { layers: [{ mediaType: "text/plain", content: Buffer.from(content) }] });
    const keys = { accesskey: "AKIDEXAMPLE", secretkey: "a-secret-of-the-test" };
    const s3 = new S3Client(clientConfig(aws));
    const store = await startS3Front(aws, { keys: { [keys.accesskey]: keys.secretkey } });
    ending.push(
      async () => s3.destroy(),
      () => store.stop(),
    );
    const bucketName = uniqueName("outdated");
    await s3.send(new CreateBucketCommand({ Bucket: bucketName }));
    const put = (Body: string) => s3.send(new PutObjectCommand({ Bucket: bucketName, Key: "a.yaml", Body }));
    await Promise.all([push("one"), put("one"), charts.publish("app", "1.0.0"), secret("keys", keys)]);
    await secret("ca", { "ca.crt": charts.certificateAuthority });
    const repository = { url: charts.url, certSecretRef: { name: "ca" } };
    await create("HelmRepository", "charts", repository);
    await sources.untilReady("HelmRepository", "charts");

    const [oci, bucket, index] = await Promise.all([
      blocked(
        "OCIRepository",
        {
          ...{ url: `oci://${front.address}/${target.repository}`, insecure: true },
          layerSelector: { operation: "copy" },
        },
        () => push("two"),
      ),
      blocked("Bucket", { bucketName, endpoint: store.endpoint, insecure: true, secretRef: { name: "keys" } }, () =>
        put("two"),
      ),
      blocked("HelmRepository", repository, () => charts.publish("other", "1.0.0")),
    ]);
    const chart = await blocked(
      "HelmChart",
      { chart: "app", sourceRef: { kind: "HelmRepository", name: "charts" } },
      async () => {
        const { status } = await sources.untilReady("HelmRepository", "charts");
        await charts.publish("app", "2.0.0");
        await sources.reconcile("HelmRepository", "charts");
        await sources.until(
          "HelmRepository",
          "charts",
          (now) => now.status?.artifact?.revision !== status?.artifact?.revision,
        );
      },
    );
    const reference = `${front.address}/${target.repository}:latest`;
    expect([oci, bucket, index, chart].map(({ outdated, told }) => [...outdated, told])).toEqual([
      [
        "True",
        "NewRevision",
        `new revision '${oci.revision}' for '${reference}'`,
        "unable to copy artifact to storage",
      ],
      ["True", "NewRevision", `new upstream revision '${bucket.revision}'`, "unable to archive artifact to storage"],
      ["True", "NewRevision", `new index revision '${index.revision}'`, "unable to save artifact to storage"],
      ["True", "NewChart", "pulled 'app' chart with version '2.0.0'", "unable to copy Helm chart to storage"],
    ]);
  }, 120_000);

  it("SRC-036, SRC-037: says by Flux's reasons what is wrong with it, and no more once it is mended", async () => {
    const { repository, object } = await sources.source("looped");
    const file = join(sources.stored, object.status?.artifact?.path ?? "");
    await repository.commit({ "chart/Chart.yaml": "apiVersion: v2\nname: chart\nversion: 1.0.0\n" });
    const withChart = await sources.reconciled("looped");
    await create("HelmChart", "unread", { chart: "chart", sourceRef: { kind: "GitRepository", name: "looped" } });
    await sources.untilReady("HelmChart", "unread");
    const current = join(sources.stored, withChart.status?.artifact?.path ?? "");
    expect(current).not.toBe(file);
    await rename(current, `${current}.aside`);
    await symlink(basename(current), current);
    await sources.reconcile("GitRepository", "looped");
    const stat = await sources.untilFailed("looped", "StatOperationFailed");
    expect(messageOf(stat, "StorageOperationFailed")).toMatch(/^failed to stat target artifact path: ELOOP: /);
    expect(stat.status?.artifact).toEqual(withChart.status?.artifact);
    await sources.reconcile("HelmChart", "unread");
    const unread = await sources.until(
      "HelmChart",
      "unread",
      ({ status }) => conditionOf(status, "FetchFailed")?.reason === "ReadOperationFailed",
    );
    expect(messageOf(unread, "FetchFailed")).toMatch(/^failed to open source artifact: ELOOP: /);
    await rename(`${current}.aside`, current);
    const mended = await sources.untilReady("GitRepository", "looped", 30);
    expect(typesOf(mended)).toEqual(["ArtifactInStorage", "Ready"]);
    expect(mended.status?.artifact).toEqual(withChart.status?.artifact);
    await sources.untilReady("HelmChart", "unread", 30);

    const place = join(sources.stored, "gitrepository", sources.namespace, "placeless");
    await writeFile(place, "no directory");
    await sources.gitRepository("placeless", repository.url);
    const placeless = await sources.untilFailed("placeless", "DirectoryCreationFailed");
    expect(messageOf(placeless)).toMatch(/^failed to create artifact directory: E(EXIST|NOTDIR): .*, mkdir /);
    await rm(place);
    await sources.untilReady("GitRepository", "placeless", 30);
  }, 120_000);

  it("SRC-037: an API server that takes no status is told of by an event, at each attempt", async () => {
    await sources.source("unpatched");
    const name = uniqueName("status");
    const admission = "admissionregistration.k8s.io/v1";
    const paths = ["validatingadmissionpolicies", "validatingadmissionpolicybindings"].map(
      (plural) => `/apis/${admission}/${plural}`,
    );
    const rule = {
      ...{ apiGroups: ["source.toolkit.fluxcd.io"], apiVersions: ["*"], operations: ["UPDATE"] },
      resources: ["gitrepositories/status"],
    };
    const namespaceSelector = { matchLabels: { "kubernetes.io/metadata.name": sources.namespace } };
    const specs = [
      {
        ...{ kind: "ValidatingAdmissionPolicy", failurePolicy: "Fail" },
        matchConstraints: { namespaceSelector, resourceRules: [rule] },
        validations: [{ expression: "object.metadata.name != 'unpatched'", message: "no status today" }],
      },
      { kind: "ValidatingAdmissionPolicyBinding", policyName: name, validationActions: ["Deny"] },
    ];
    for (const [index, { kind, ...spec }] of specs.entries())
      await sources.client.request({
        ...{ method: "POST", path: paths[index] ?? "" },
        body: { apiVersion: admission, kind, metadata: { name }, spec },
      });
    try {
      const path = `/apis/${apiVersions.GitRepository}/namespaces/${sources.namespace}/gitrepositories/unpatched/status`;
      const write = (): Promise<string> =>
        sources.client
          .request<Reconciled>({
            ...{ method: "PATCH", path, contentType: "application/merge-patch+json" },
            body: { status: { lastHandledReconcileAt: uniqueName("handled") } },
          })
          .then(() => "taken", String);
      // A policy is in force a while after it is stored.
      await expect.poll(write, { timeout: 30_000 }).toContain("no status today");
      await sources.reconcile("GitRepository", "unpatched");
      const refusals = async () =>
        (await sources.told("unpatched")).filter(
          ([type, reason]) => type === "Warning" && reason === "PatchOperationFailed",
        );
      await expect.poll(async () => (await refusals()).length, { timeout: 20_000 }).toBeGreaterThanOrEqual(2);
      expect((await refusals())[0]?.[2]).toContain("no status today");
    } finally {
      for (const path of paths.toReversed())
        await sources.client.request({ method: "DELETE", path: `${path}/${name}` });
    }
    const requestedAt = (await sources.find("GitRepository", "unpatched"))?.metadata.annotations?.[
      "reconcile.fluxcd.io/requestedAt"
    ];
    await sources.until(
      "GitRepository",
      "unpatched",
      ({ status }) => status?.lastHandledReconcileAt === requestedAt,
      60,
    );
  }, 120_000);
});
