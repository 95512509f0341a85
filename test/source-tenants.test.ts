import type { IncomingMessage, ServerResponse } from "node:http";
import { gzipSync } from "node:zlib";
import { pack } from "tar-stream";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { archivedFiles } from "./bed/archived-files.ts";
import { bedPart, uniqueName } from "./bed/bed.ts";
import { type RegistryFront, startRegistryFront } from "./bed/registry/front.ts";
import { contentType, pushArtifact } from "./bed/registry/push.ts";
import { messageOf, openSources, type Sources } from "./bed/sources.ts";
import { type StoreServer, startStoreServer } from "./bed/store-server.ts";
import { type apiVersions, conditionOf, openWorkspace, type Reconciled, type Workspace } from "./bed/workspace.ts";

const canary = uniqueName("c4n4ry");
const v1 = "source.toolkit.fluxcd.io/v1";
type Kind = keyof typeof apiVersions;

/** What the owner has, what the other tenant wants. */
let owner: Sources;
let thief: Workspace;

beforeAll(async () => {
  [owner, thief] = await Promise.all([openSources("owner"), openWorkspace("thief")]);
});
afterAll(() => Promise.all([owner?.close(), thief?.close()]));

/** What was answered within the last seconds serves a new object too, unless somebody asks for a look from now on. */
const now = () => ({ annotations: { "reconcile.fluxcd.io/requestedAt": new Date().toISOString() } });
const source = (kind: Kind, name: string, spec: Record<string, unknown>, metadata: object = {}) => ({
  ...{ apiVersion: v1, kind, metadata: { name, ...metadata } },
  spec: { interval: "1000h", ...spec },
});
const secret = (name: string, stringData: Record<string, string>, type = "Opaque") => ({
  ...{ apiVersion: "v1", kind: "Secret", metadata: { name }, type, stringData },
});
const readyIs = (wanted: string, object: Reconciled) => {
  const ready = conditionOf(object.status, "Ready");
  return ready?.status === wanted && ready.observedGeneration === object.metadata.generation;
};

/** Resolves with why an object of the other tenant is not ready: it has got nothing. */
async function refused(kind: Kind, name: string): Promise<string> {
  const object = await thief.until(kind, name, (found) => readyIs("False", found), 40);
  expect(object.status?.artifact).toBeUndefined();
  expect(JSON.stringify([object.status, await thief.events(kind, name)])).not.toContain(canary);
  return messageOf(object);
}

async function filesOf(object: Reconciled): Promise<Record<string, string>> {
  const { body } = await owner.download(object.status?.artifact?.url ?? "");
  return archivedFiles(body);
}

async function tarGz(files: Record<string, string>): Promise<Buffer> {
  const tar = pack();
  for (const [name, content] of Object.entries(files)) tar.entry({ name, mtime: new Date(0) }, content);
  tar.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of tar) if (chunk instanceof Uint8Array) chunks.push(Buffer.from(chunk));
  return gzipSync(Buffer.concat(chunks));
}

describe("content of a registry that another tenant has fetched", () => {
  let front: RegistryFront;
  let repository: string;
  let digest: string;
  let passwords: string[] = [];

  const docker = (name: string, password: string) => {
    const auths = { [front.address]: { username: "bot", password } };
    return secret(name, { ".dockerconfigjson": JSON.stringify({ auths }) }, "kubernetes.io/dockerconfigjson");
  };
  const of = (name: string, ref: object, secretRef?: string, metadata: object = {}) => {
    const own = secretRef === undefined ? {} : { secretRef: { name: secretRef } };
    const spec = { url: `oci://${front.address}/${repository}`, insecure: true, ref, ...own };
    return source("OCIRepository", name, spec, metadata);
  };
  /** Lets nobody in but who has one of the passwords. */
  const guard = ({ headers }: IncomingMessage, response: ServerResponse): boolean => {
    const shown = Buffer.from(headers.authorization?.replace("Basic ", "") ?? "", "base64").toString();
    if (passwords.some((password) => shown === `bot:${password}`)) return false;
    response.writeHead(401, { "www-authenticate": 'Basic realm="private"' }).end();
    return true;
  };

  beforeAll(async () => {
    const registry = await bedPart("registry");
    front = await startRegistryFront(registry.url);
    front.intercept = guard;
    repository = uniqueName("private");
    passwords = [`${canary}-1`];
    const layers = [{ mediaType: contentType, content: await tarGz({ "secret.txt": "of the owner" }) }];
    ({ digest } = await pushArtifact({ url: registry.url, repository }, "v1", { layers }));
    await owner.create(docker("pull", `${canary}-1`));
    for (const [name, ref] of Object.entries({ tagged: { tag: "v1" }, pinned: { digest } })) {
      await owner.create(of(name, ref, "pull"));
      expect(await filesOf(await owner.untilReady("OCIRepository", name))).toEqual({ "secret.txt": "of the owner" });
    }
  });
  afterAll(() => front?.stop());

  it.each<[string, string | undefined]>([
    ["no credentials", undefined],
    ["others", `${canary}-2`],
  ])("SB-002, SB-005, SEC-012: is not given to %s, whoever knows its tag or digest", async (what, password) => {
    const name = what.replace(" ", "-");
    if (password !== undefined) await thief.create(docker(name, password));
    const own = password === undefined ? undefined : name;
    await thief.create(of(`tag-${name}`, { tag: "v1" }, own));
    await thief.create(of(`digest-${name}`, { digest }, own));
    for (const kind of ["tag", "digest"])
      expect(await refused("OCIRepository", `${kind}-${name}`)).toMatch(/401 Unauthorized/);
  });

  it("SB-002, SB-005: is not given to credentials that have been withdrawn, and is to who has them still", async () => {
    await thief.create(docker("same", `${canary}-1`));
    await thief.create(of("lent", { digest }, "same"));
    expect(await filesOf(await thief.untilReady("OCIRepository", "lent"))).toEqual({ "secret.txt": "of the owner" });
    const blobs = front.requests.filter(({ told }) => told.includes("/blobs/"));
    expect(blobs).toHaveLength(1);
    passwords = [];
    await thief.create(of("withdrawn-tag", { tag: "v1" }, "same", now()));
    await thief.create(of("withdrawn", { digest }, "same", now()));
    for (const name of ["withdrawn", "withdrawn-tag"])
      expect(await refused("OCIRepository", name)).toMatch(/401 Unauthorized/);
  });
});

describe("content of Git that another tenant has fetched", () => {
  it("SB-002, SB-005: is not given to credentials that have been withdrawn, by a branch or by its commit", async () => {
    const basic = { username: "bot", password: `${canary}-git` };
    const guarded = await openWorkspace("guarded", { git: { basic } });
    try {
      const repository = await guarded.repository({ "secret.txt": "of the owner" });
      const commit = (await repository.git(["rev-parse", "main"])).trim();
      for (const one of [owner, thief]) await one.create(secret("git", basic));
      const secretRef = { name: "git" };
      await owner.gitRepository("git", repository.url, { interval: "1000h", secretRef });
      await owner.untilReady("GitRepository", "git");
      guarded.git.intercept = (_, response) => {
        response.writeHead(401, { "www-authenticate": "Basic" }).end();
        return true;
      };
      const wanted = { "by-branch": { branch: "main" }, "by-commit": { commit } };
      for (const [name, ref] of Object.entries(wanted))
        await thief.create(source("GitRepository", name, { url: repository.url, secretRef, ref }, now()));
      for (const name of ["by-branch", "by-commit"])
        expect(await refused("GitRepository", name)).toMatch(/authentication required/);
    } finally {
      await guarded.close();
    }
  });
});

describe("content of a bucket that a tenant had made up", () => {
  const object = (key: string) => `<Contents><Key>${key}</Key><ETag>"e-${key}"</ETag><Size>4</Size></Contents>`;
  const stores: StoreServer[] = [];
  afterAll(() => Promise.all(stores.map((store) => store.stop())));

  /** A store of these objects, which also answers as a proxy before another one would. */
  async function store(word: string, keys: string[]): Promise<StoreServer> {
    const started = await startStoreServer(({ method, url }) => {
      const path = url.replace(/^http:\/\/[^/]*/, "");
      if (method === "HEAD") return {};
      if (path.includes("list-type"))
        return { body: `<ListBucketResult>${keys.map(object).join("")}</ListBucketResult>` };
      const key = path.slice("/shared/".length);
      return keys.includes(key) ? { headers: { etag: `"e-${key}"` }, body: word } : { status: 404, body: noKey };
    });
    stores.push(started);
    return started;
  }
  const noKey = "<Error><Code>NoSuchKey</Code></Error>";

  it("SB-002, SB-009: by a proxy of his is nobody's who has no such proxy, neither at once nor by its etags", async () => {
    const real = await store("real", ["a", "b", "c", "d"]);
    const evil = await store("evil", ["a", "b", "c"]);
    const spec = { bucketName: "shared", endpoint: real.host, insecure: true };
    await thief.create(secret("evil-proxy", { address: `http://${evil.host}` }));
    await thief.create(source("Bucket", "poison", { ...spec, proxySecretRef: { name: "evil-proxy" } }));
    const poisoned = await thief.untilReady("Bucket", "poison");
    expect(await filesOf(poisoned)).toEqual({ a: "evil", b: "evil", c: "evil" });
    expect(real.seen).toEqual([]);
    await thief.patch("Bucket", "poison", { spec: { proxySecretRef: null } });
    await thief.untilReady("Bucket", "poison");
    await owner.create(source("Bucket", "victim", spec));
    const all = { a: "real", b: "real", c: "real", d: "real" };
    expect(await filesOf(await owner.untilReady("Bucket", "victim"))).toEqual(all);
  });

  it("SB-002: of the same name at another endpoint is another bucket's", async () => {
    const [one, other] = [await store("real", ["a", "b"]), await store("evil", ["a", "b"])];
    const spec = { bucketName: "shared", insecure: true };
    await thief.create(source("Bucket", "namesake", { ...spec, endpoint: other.host }));
    await thief.untilReady("Bucket", "namesake");
    await owner.create(source("Bucket", "namesake", { ...spec, endpoint: one.host }));
    expect(await filesOf(await owner.untilReady("Bucket", "namesake"))).toEqual({ a: "real", b: "real" });
  });
});

describe("an artifact that is stored for another tenant", () => {
  it("TM-004, EA-003, AG-006: is not reached by an ExternalArtifact that names it", async () => {
    const { object } = await owner.source("precious");
    const external = source("ExternalArtifact", "stolen", {});
    await thief.create({ ...external, spec: {} });
    await thief.client.request({
      method: "PATCH",
      path: `/apis/${v1}/namespaces/${thief.namespace}/externalartifacts/stolen/status`,
      contentType: "application/merge-patch+json",
      body: {
        status: {
          artifact: object.status?.artifact,
          conditions: [
            { type: "Ready", status: "True", reason: "Succeeded", message: "", lastTransitionTime: new Date() },
          ],
        },
      },
    });
    await thief.create({
      apiVersion: "source.extensions.fluxcd.io/v1beta1",
      kind: "ArtifactGenerator",
      metadata: { name: "stolen" },
      spec: {
        sources: [{ alias: "a", kind: "ExternalArtifact", name: "stolen" }],
        artifacts: [{ name: "copied", copy: [{ from: "@a/**", to: "@artifact/" }] }],
      },
    });
    await thief.kustomization("stolen", { sourceRef: { kind: "ExternalArtifact", name: "stolen" } });
    for (const kind of ["ArtifactGenerator", "Kustomization"] as const) {
      const failed = await thief.until(kind, "stolen", (found) => messageOf(found).includes("artifact of its own"), 40);
      expect(conditionOf(failed.status, "Ready")?.status).toBe("False");
    }
    expect(await thief.find("ExternalArtifact", "copied")).toBeUndefined();
  });

  it("TM-004, AG-024: is not removed by a generator whose status was made to name it", async () => {
    const { object } = await owner.source("kept");
    const generator = (name: string, output: string) => ({
      ...{ apiVersion: "source.extensions.fluxcd.io/v1beta1", kind: "ArtifactGenerator", metadata: { name } },
      spec: {
        sources: [{ alias: "a", kind: "GitRepository", name: object.metadata.name }],
        artifacts: [{ name: output, copy: [{ from: "@a/**", to: "@artifact/" }] }],
      },
    });
    await owner.create(generator("own", "kept"));
    await owner.untilReady("ArtifactGenerator", "own");
    const { status } = await owner.untilReady("ExternalArtifact", "kept");
    await thief.create(generator("remover", "other"));
    await thief.until("ArtifactGenerator", "remover", (found) => readyIs("False", found));
    const path = `/apis/source.extensions.fluxcd.io/v1beta1/namespaces/${thief.namespace}/artifactgenerators/remover`;
    const inventory = [
      { name: "kept", namespace: owner.namespace, digest: status?.artifact?.digest, filename: "x.tar.gz" },
      { name: `../${owner.namespace}/kept`, namespace: thief.namespace, digest: "sha256:00", filename: "x.tar.gz" },
    ];
    const contentType = "application/merge-patch+json";
    await thief.client.request({
      method: "PATCH",
      path: `${path}/status`,
      contentType,
      body: { status: { inventory } },
    });
    await thief.client.request({ method: "DELETE", path });
    await thief.untilGone("ArtifactGenerator", "remover");
    expect((await owner.find("ExternalArtifact", "kept"))?.status).toEqual(status);
    expect((await owner.download(status?.artifact?.url ?? "")).status).toBe(200);
  });

  it("GIT-090, HC-002, MT-001: is not reached by names that lead into another namespace", async () => {
    const { repository } = await owner.source("elsewhere");
    const names = [
      `../../${owner.namespace}/gitrepositories/elsewhere`,
      `../${owner.namespace}/elsewhere`,
      "..",
      "elsewhere",
    ];
    for (const [index, name] of names.entries()) {
      await thief.gitRepository(`include-${index}`, repository.url, { include: [{ repository: { name } }] });
      await thief.create(
        source("HelmChart", `chart-${index}`, { chart: "app", sourceRef: { kind: "GitRepository", name } }),
      );
    }
    for (const index of names.keys()) {
      expect(await refused("GitRepository", `include-${index}`)).toMatch(/^could not get resource for include /);
      expect(await refused("HelmChart", `chart-${index}`)).toMatch(/^failed to get source: /);
    }
  });
});
