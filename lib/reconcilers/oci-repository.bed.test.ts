import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { gunzipSync, gzipSync } from "node:zlib";
import { extract, pack } from "tar-stream";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { bedPart, uniqueName } from "../../test/bed/bed.ts";
import { type RegistryFront, startRegistryFront } from "../../test/bed/registry/front.ts";
import {
  contentType,
  digestOf,
  type PushedArtifact,
  type PushTarget,
  pushArtifact,
  pushManifest,
  removeTag,
} from "../../test/bed/registry/push.ts";
import { conditionOf, configMap, openWorkspace, type Reconciled, type Workspace } from "../../test/bed/workspace.ts";

type Files = Record<string, string>;

async function tarGz(files: Files, links: Files = {}): Promise<Buffer> {
  const tar = pack();
  const mtime = new Date(0);
  for (const [name, content] of Object.entries(files)) tar.entry({ name, mode: 0o644, mtime }, content);
  for (const [name, linkname] of Object.entries(links)) tar.entry({ name, type: "symlink", linkname });
  tar.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of tar) if (chunk instanceof Uint8Array) chunks.push(Buffer.from(chunk));
  return gzipSync(Buffer.concat(chunks));
}

describe("an OCIRepository", () => {
  let workspace: Workspace;
  let front: RegistryFront;
  let artifacts: string;
  let target: PushTarget;
  const stored = ({ status }: Reconciled) => readFile(join(artifacts, "bed", status?.artifact?.path ?? ""));
  const namesIn = async (object: Reconciled): Promise<string[]> => {
    const names: string[] = [];
    const parser = extract();
    parser.end(gunzipSync(await stored(object)));
    for await (const entry of parser) {
      names.push(entry.header.name);
      entry.resume();
    }
    return names;
  };
  const push = async (tag: string | undefined, files: Files, more: PushedArtifact = {}) =>
    pushArtifact(target, tag, { layers: [{ mediaType: contentType, content: await tarGz(files) }], ...more });
  const create = (name: string, spec: Record<string, unknown> = {}) =>
    workspace.create({
      apiVersion: "source.toolkit.fluxcd.io/v1",
      kind: "OCIRepository",
      metadata: { name },
      spec: { url: `oci://${front.address}/${target.repository}`, interval: "1h", insecure: true, ...spec },
    });
  const until = (name: string, wanted: (object: Reconciled) => boolean) =>
    workspace.until("OCIRepository", name, wanted);
  const ready = (name: string) => workspace.untilReady("OCIRepository", name);
  const failed = (name: string, words: string, type = "FetchFailed") =>
    until(name, ({ status }) => conditionOf(status, type)?.message.includes(words) === true);
  const handled = async (name: string) => {
    const value = await workspace.reconcile("OCIRepository", name);
    return until(name, ({ status }) => status?.lastHandledReconcileAt === value);
  };
  const told = async (name: string) =>
    (await workspace.events("OCIRepository", name)).map(({ type, reason, message }) => `${type} ${reason} ${message}`);
  const edit = (name: string, spec: Record<string, unknown>) => workspace.patch("OCIRepository", name, { spec });

  beforeAll(async () => {
    workspace = await openWorkspace("oci-repository");
    ({ artifacts } = await bedPart("sluice"));
    const registry = await bedPart("registry");
    front = await startRegistryFront(registry.url);
    target = { url: registry.url, repository: uniqueName("team/app") };
  }, 900_000);
  afterAll(async () => {
    await front?.stop();
    await workspace?.close();
  });

  it("OCI-003, OCI-007, OCI-012, OCI-013, OCI-015, OCI-016, OCI-024, ART-002, ART-017, ART-022, ART-023: stores what a tag stands for, and asks for no more than its digest", async () => {
    const annotations = {
      "org.opencontainers.image.created": "2026-01-02T03:04:05Z",
      "org.opencontainers.image.source": "https://git.test/app.git",
      "org.opencontainers.image.revision": "main@sha1:0123",
    };
    const first = await push("latest", { "app.yaml": "a: 1\n", "logo.png": "x" }, { annotations });
    await create("app");
    const object = await ready("app");
    const { artifact } = object.status ?? {};
    const revision = `latest@${first.digest}`;
    expect(artifact).toMatchObject({ revision, metadata: annotations });
    expect(artifact?.path).toBe(`ocirepository/${workspace.namespace}/app/${first.digest}.tar.gz`);
    expect(artifact?.digest).toBe(digestOf(await stored(object)));
    expect(await namesIn(object)).toEqual([".", "app.yaml"]);
    expect((object.status as { url?: string }).url).toMatch(/\/app\/latest\.tar\.gz$/);
    expect(conditionOf(object.status, "Ready")).toMatchObject({
      reason: "Succeeded",
      message: `stored artifact for digest '${revision}'`,
    });
    const event = `Normal NewArtifact stored artifact with revision '${revision}' from 'oci://${front.address}/${target.repository}', origin source 'https://git.test/app.git', origin revision 'main@sha1:0123'`;
    await expect.poll(() => told("app")).toContain(event);
    expect(new Set(front.requests.map(({ headers }) => headers["user-agent"]))).toEqual(new Set(["flux/v2"]));
    const { repository } = target;
    expect(front.requests.map((request) => request.told)).toEqual([
      `HEAD ${repository}/manifests/latest`,
      `GET ${repository}/manifests/${first.digest}`,
      expect.stringMatching(`GET ${repository}/blobs/sha256:`),
    ]);
    front.requests.length = 0;
    const same = await handled("app");
    // The minute's look may come to the one that was asked for.
    expect(new Set(front.requests.map((request) => request.told))).toEqual(
      new Set([`HEAD ${repository}/manifests/latest`]),
    );
    expect(same.status?.artifact).toEqual(artifact);
    expect(conditionOf(same.status, "Ready")?.status).toBe("True");
    const second = await push("latest", { "app.yaml": "a: 2\n" });
    await handled("app");
    const next = await until("app", ({ status }) => status?.artifact?.revision === `latest@${second.digest}`);
    expect(next.status?.artifact).not.toHaveProperty("metadata");
  });

  it("OCI-002, OCI-004, OCI-005, OCI-006, OCI-008, OCI-027: chooses by digest, version and tag, and keeps what it has where there is nothing", async () => {
    const one = await push("6.1.0", { a: "1" });
    const candidate = await push("6.1.6-rc.1", { a: "2" });
    const two = await push("6.1.5", { a: "3" });
    const built = await push("6.1.4_build1", { a: "4" });
    await create("digest", { ref: { digest: one.digest, semver: "6.x", tag: "latest" } });
    await create("semver", { ref: { semver: "6.1.x", tag: "6.1.0" } });
    await create("filtered", { ref: { semver: ">= 6.1.x-0", semverFilter: ".*-rc.*" } });
    const mediaType = "application/vnd.cncf.helm.chart.content.v1.tar+gzip";
    await create("chart", { ref: { semver: "6.1.4" }, layerSelector: { mediaType, operation: "copy" } });
    expect((await ready("digest")).status?.artifact?.revision).toBe(one.digest);
    expect((await ready("semver")).status?.artifact?.revision).toBe(`6.1.5@${two.digest}`);
    expect((await ready("filtered")).status?.artifact?.revision).toBe(`6.1.6-rc.1@${candidate.digest}`);
    await failed("chart", `failed to find layer with media type '${mediaType}' in artifact`);
    expect(front.requests.some((request) => request.told.includes(built.digest))).toBe(true);
    front.requests.length = 0;
    await handled("digest");
    // Others that fail are tried again meanwhile.
    expect(front.requests.filter((request) => request.told.includes(one.digest))).toEqual([]);
    const url = `oci://${front.address}/${target.repository}`;
    await create("range", { ref: { semver: ">= 9" } });
    const prefix = `failed to determine the artifact tag for '${url}': `;
    const none = await failed("range", `${prefix}no match found for semver: >= 9`);
    expect(conditionOf(none.status, "FetchFailed")?.reason).toBe("ReadOperationFailed");
    expect(conditionOf(none.status, "Stalled")).toBeUndefined();
    await create("bad-range", { ref: { semver: "six" } });
    await failed("bad-range", `${prefix}semver 'six' parse error: improper constraint`);
    await create("bad-filter", { ref: { semver: "*", semverFilter: "(" } });
    await failed("bad-filter", `${prefix}error parsing regexp: missing closing )`);
    await create("no-tag", { ref: { tag: "9.9.9" } });
    const words = `failed to determine artifact digest: GET ${front.url}/v2/${target.repository}/manifests/9.9.9: MANIFEST_UNKNOWN: manifest unknown`;
    const absent = await failed("no-tag", words);
    expect(conditionOf(absent.status, "Ready")).toMatchObject({ status: "False", reason: "OCIArtifactPullFailed" });
    const nowhere = digestOf("nowhere");
    await create("no-digest", { ref: { digest: nowhere } });
    await failed("no-digest", `failed to pull artifact from '${url}': GET ${front.url}/v2/`);
    await create("gone", { ref: { tag: "6.1.0" } });
    const before = await ready("gone");
    await removeTag(target, "6.1.0");
    await workspace.reconcile("OCIRepository", "gone");
    const gone = await failed("gone", "MANIFEST_UNKNOWN");
    expect(conditionOf(gone.status, "Ready")?.status).toBe("False");
    expect(gone.status?.artifact).toEqual(before.status?.artifact);
    expect((await stored(gone)).length).toBe(before.status?.artifact?.size);
  });

  it("OCI-009, OCI-010, OCI-011, OCI-014, IGN-001, IGN-002, IGN-003, IGN-004, IGN-009, ART-020: takes the layer that is wanted, unpacked without links or as it is", async () => {
    const files = {
      ".sourceignore": "*.md\n",
      "a/.sourceignore": "/b.yaml\n",
      "a/b.yaml": "b",
      "b.yaml": "b",
      "logo.png": "x",
      "x.md": "",
    };
    const content = await tarGz(files, { link: "/etc/passwd" });
    const other = Buffer.from("no archive at all");
    const layers = [
      { mediaType: contentType, content },
      { mediaType: "application/octet-stream", content: other },
      { mediaType: "application/octet-stream", content: Buffer.from("a second one of the same type") },
    ];
    await pushArtifact(target, "layers", { layers });
    await create("layers", { ref: { tag: "layers" } });
    const first = await ready("layers");
    expect(await namesIn(first)).toEqual([".", ".sourceignore", "a", "a/.sourceignore", "b.yaml", "logo.png"]);
    await edit("layers", { ignore: "!x.md\n" });
    const again = await ready("layers");
    expect(again.status?.artifact?.revision).toBe(first.status?.artifact?.revision);
    expect(await namesIn(again)).toContain("x.md");
    expect(again.status).toMatchObject({ observedIgnore: "!x.md\n" });
    const layerSelector = { mediaType: "application/octet-stream", operation: "copy" };
    await edit("layers", { layerSelector });
    const copied = await until("layers", ({ status }) => status?.artifact?.digest === digestOf(other));
    expect((await stored(copied)).equals(other)).toBe(true);
    expect(copied.status).toMatchObject({ observedLayerSelector: layerSelector });
    expect(copied.status?.artifact?.path).toBe(again.status?.artifact?.path);
    // What is not unpacked has no files that could be ignored.
    await edit("layers", { layerSelector: { mediaType: contentType, operation: "copy" }, ignore: "*" });
    const whole = await until("layers", ({ status }) => status?.artifact?.digest === digestOf(content));
    expect((await stored(whole)).equals(content)).toBe(true);
    expect(whole.status?.artifact?.path).toBe(again.status?.artifact?.path);
    await edit("layers", { layerSelector: { mediaType: "text/plain", operation: "copy" } });
    const unknown = await failed("layers", "failed to find layer with media type 'text/plain' in artifact");
    expect(conditionOf(unknown.status, "FetchFailed")?.reason).toBe("OCIArtifactLayerOperationFailed");
    await edit("layers", { layerSelector: { mediaType: "application/octet-stream", operation: "extract" } });
    const plain = await failed(
      "layers",
      "failed to extract layer contents from artifact: requires gzip-compressed body: gzip: invalid header",
    );
    expect(conditionOf(plain.status, "FetchFailed")?.reason).toBe("OCIArtifactLayerOperationFailed");
    await pushArtifact(target, "empty", {});
    await create("empty", { ref: { tag: "empty" } });
    const empty = await failed("empty", "no layers found in artifact");
    expect(conditionOf(empty.status, "FetchFailed")?.reason).toBe("OCIArtifactLayerOperationFailed");
    const climbing = await tarGz({ "../../escaped": "x" });
    await pushArtifact(target, "escape", { layers: [{ mediaType: contentType, content: climbing }] });
    await create("escape", { ref: { tag: "escape" } });
    await failed("escape", "failed to extract layer contents from artifact: tar contained invalid name error");
    const amd = await push(undefined, { amd64: "" });
    const arm = await push(undefined, { arm64: "" });
    const manifests = [
      { ...arm, platform: { os: "linux", architecture: "arm64" } },
      { ...amd, platform: { os: "linux", architecture: "amd64" } },
    ];
    const mediaType = "application/vnd.oci.image.index.v1+json";
    const index = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType, manifests }));
    const { digest } = await pushManifest(target, "index", mediaType, index);
    await create("index", { ref: { tag: "index" } });
    const platform = await ready("index");
    expect(platform.status?.artifact?.revision).toBe(`index@${digest}`);
    expect(await namesIn(platform)).toEqual([".", "amd64"]);
  });

  it("SB-002, SB-005: many objects of one source cost one look and one pull", async () => {
    const files = { "only.txt": "here" };
    const { digest } = await push("shared", files);
    const own = ["manifests/shared", digest, digestOf(await tarGz(files))];
    const names = Array.from({ length: 10 }, (_, index) => `shared-${index}`);
    await Promise.all(names.map((name) => create(name, { ref: { tag: "shared" } })));
    const objects = await Promise.all(names.map((name) => ready(name)));
    expect(new Set(objects.map(({ status }) => status?.artifact?.digest)).size).toBe(1);
    const counted = front.requests.filter((request) => own.some((place) => request.told.includes(place)));
    expect(counted.map((request) => request.told.split(" ")[0]).sort()).toEqual(["GET", "GET", "HEAD"]);
  });

  it("KS-002, KS-007: a Kustomization applies what an OCIRepository offers, at once where there is something new", async () => {
    const name = uniqueName("applied");
    const first = await push("deploy", { "config.yaml": configMap(name, { value: "1" }) });
    await create("deploy", { ref: { tag: "deploy" } });
    await workspace.kustomization("deploy", { sourceRef: { kind: "OCIRepository", name: "deploy" } });
    const applied = await workspace.untilReady("Kustomization", "deploy");
    expect(applied.status?.lastAppliedRevision).toBe(`deploy@${first.digest}`);
    await push("deploy", { "config.yaml": configMap(name, { value: "2" }) });
    await workspace.reconcile("OCIRepository", "deploy");
    await workspace.until("ConfigMap", name, (object) => (object as { data?: Files }).data?.value === "2");
  });

  it("OCI-001, SRC-016, SEC-007, CV-002: what cannot be is told, and waits for a change", async () => {
    const url = `oci://${front.address}/${target.repository}:v1`;
    await create("tagged", { url });
    const tagged = await failed(
      "tagged",
      `URL validation failed for '${url}': URL must not contain a tag; remove ':v1'`,
    );
    expect(conditionOf(tagged.status, "Stalled")?.reason).toBe("URLInvalid");
    await create("gated", { provider: "aws", serviceAccountName: "default" });
    const gated = await failed("gated", "please enable the ObjectLevelWorkloadIdentity feature gate", "Stalled");
    expect(conditionOf(gated.status, "Stalled")?.reason).toBe("FeatureGateDisabled");
    expect(conditionOf(gated.status, "FetchFailed")).toBeUndefined();
    await expect(create("scheme", { url: "https://a/b" })).rejects.toThrow("spec.url");
    await expect(create("operation", { layerSelector: { operation: "move" } })).rejects.toThrow("operation");
    await expect(create("provider", { provider: "github" })).rejects.toThrow("provider");
    await expect(create("interval", { interval: "1d" })).rejects.toThrow("interval");
    await workspace.create({
      apiVersion: "source.toolkit.fluxcd.io/v1beta2",
      kind: "OCIRepository",
      metadata: { name: "old" },
      spec: {
        url: `oci://${front.address}/${target.repository}`,
        interval: "1h",
        insecure: true,
        ref: { tag: "deploy" },
      },
    });
    await ready("old");
  });
});
