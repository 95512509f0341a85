import { createHmac } from "node:crypto";
import { readFile } from "node:fs/promises";
import { request } from "node:https";
import { deflateSync } from "node:zlib";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { listObjects } from "../lib/cluster/objects.ts";
import type { GitRepository } from "../lib/host/git/repository.ts";
import { bedPart, uniqueName } from "./bed/bed.ts";
import { packOfBlobs, serveFalseRepository } from "./bed/git/false-repository.ts";
import { messageOf, openSources, type Sources, typesOf } from "./bed/sources.ts";
import { conditionOf, configMap, type Reconciled } from "./bed/workspace.ts";

const canary = uniqueName("c4n4ry");
let sources: Sources;
/** What stands beside the bad input all the time. */
let neighbour: GitRepository;
let pushes = 0;

beforeAll(async () => {
  sources = await openSources("bad-input");
  neighbour = await sources.repository({ "config.yaml": configMap("neighbour", { push: "0" }) });
  await sources.gitRepository("neighbour", neighbour.url);
  await sources.kustomization("neighbour", { sourceRef: { kind: "GitRepository", name: "neighbour" } });
  await sources.untilReady("Kustomization", "neighbour");
});

afterEach(() => neighbourWorks());

afterAll(() => sources?.close());

/** A push to the neighbour reaches the cluster, whatever goes on beside it. */
async function neighbourWorks(): Promise<void> {
  const push = String(++pushes);
  await neighbour.commit({ "config.yaml": configMap("neighbour", { push }) });
  await sources.reconcile("GitRepository", "neighbour");
  await sources.until("ConfigMap", "neighbour", ({ data }) => JSON.stringify(data) === JSON.stringify({ push }), 30);
}

/** Until a Kustomization's Ready is False for this reason. */
function untilFailed(name: string, reason: string): Promise<Reconciled> {
  return sources.until("Kustomization", name, ({ status }) => {
    const ready = conditionOf(status, "Ready");
    return ready?.status === "False" && ready.reason === reason;
  });
}

/** Applies a source of its own with these files; `links` are symbolic ones. Resolves with the Kustomization's name. */
async function applied(files: Record<string, string>, links: Record<string, string> = {}): Promise<string> {
  const repository = await sources.repository({ "README.md": "", ...files });
  if (Object.keys(links).length > 0) await addLinks(repository, links);
  const name = uniqueName("bad");
  await sources.gitRepository(name, repository.url);
  await sources.untilReady("GitRepository", name);
  await sources.kustomization(name, { path: "./app", sourceRef: { kind: "GitRepository", name } });
  return name;
}

async function addLinks(repository: GitRepository, links: Record<string, string>): Promise<void> {
  const entries = Object.entries(links).map(
    ([path, target]) => `M 120000 inline ${path}\ndata ${Buffer.byteLength(target)}\n${target}\n`,
  );
  const commit = `commit refs/heads/main\ncommitter a <a@b> 1 +0000\ndata 5\nlinks\nfrom refs/heads/main^0\n`;
  await repository.git(["fast-import", "--quiet", "--date-format=raw"], `${commit}${entries.join("")}`);
}

describe("what cannot be built or applied", () => {
  const bomb = Array.from({ length: 9 }, (_, n) => `a${n + 1}: &a${n + 1} [${`*a${n},`.repeat(9)}]`).join("\n");
  const own = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: bad}\n";

  it.each<[string, Record<string, string>, RegExp]>([
    ["bytes that are no text", { "app/a.yaml": "\u0000\u0001\u0002: [" }, /a\.yaml/],
    ["brackets without end", { "app/a.yaml": `${own}data: ${"[".repeat(50_000)}` }, /a\.yaml/],
    ["aliases that multiply", { "app/a.yaml": `${own}a0: &a0 [x]\n${bomb}\n` }, /document contains excessive aliasing/],
    ["an object without a name", { "app/a.yaml": "apiVersion: v1\nkind: ConfigMap\n" }, /name/],
    [
      "the process's own environment",
      { "app/kustomization.yaml": "secretGenerator: [{name: bad, envs: [/proc/self/environ]}]\n" },
      /security; .*\/proc\/self\/environ/,
    ],
    [
      "files beside the repository",
      { "app/kustomization.yaml": "resources: [../../outside]\n" },
      /\.\.\/\.\.\/outside/,
    ],
    [
      "a chart to be inflated",
      { "app/kustomization.yaml": "helmCharts: [{name: x, repo: https://charts.invalid}]\n" },
      /must specify --enable-helm/,
    ],
  ])(
    "KS-070, KS-072, KS-074, KS-075, SN-02: %s fails the build, and nothing of it is applied",
    async (_, files, words) => {
      const name = await applied(files);
      const ks = await untilFailed(name, "BuildFailed");
      expect(messageOf(ks)).toMatch(words);
      expect((await sources.events("Kustomization", name)).at(-1)).toMatchObject({
        ...{ type: "Warning", reason: "BuildFailed" },
      });
      expect(ks.status?.inventory?.entries ?? []).toEqual([]);
      await forget(name);
    },
  );

  it("KS-149, KS-137: an unknown kind is told as Flux tells it, and keeps its stage away", async () => {
    const widget = "apiVersion: example.org/v1\nkind: Widget\nmetadata: {name: w}\n";
    const name = await applied({ "app/a.yaml": configMap("beside", {}), "app/w.yaml": widget });
    const ks = await untilFailed(name, "ReconciliationFailed");
    expect(messageOf(ks)).toBe(
      `Widget/${sources.namespace}/w dry-run failed: no matches for kind "Widget" in version "example.org/v1"\n`,
    );
    expect(await sources.find("ConfigMap", "beside")).toBeUndefined();
    await forget(name);
  });

  it("ART-008, KS-027: symbolic links are not in the artifact, and lead nowhere", async () => {
    const kustomization = "configMapGenerator: [{name: bad, files: [passwd]}]\n";
    const links = { "app/passwd": "/etc/passwd", "app/up": "../../..", out: "/etc" };
    const name = await applied({ "app/kustomization.yaml": kustomization }, links);
    const object = await sources.untilReady("GitRepository", name);
    const tar = (await sources.archive(object)).toString("latin1");
    expect(tar).toContain("app/kustomization.yaml");
    for (const path of ["passwd", "app/up"]) expect(tar).not.toContain(`${path}\0`);
    expect(messageOf(await untilFailed(name, "BuildFailed"))).toMatch(/passwd: no such file or directory/);
    await sources.patch("Kustomization", name, { spec: { path: "./out" } });
    expect(messageOf(await untilFailed(name, "ArtifactFailed"))).toMatch(/^kustomization path not found:/);
    await forget(name);
  });

  async function forget(name: string): Promise<void> {
    await toldNothing();
    await remove("kustomize.toolkit.fluxcd.io/v1", "kustomizations", name);
    await sources.remove(name);
  }
});

async function remove(groupVersion: string, plural: string, name: string): Promise<void> {
  const path = `/apis/${groupVersion}/namespaces/${sources.namespace}/${plural}/${name}`;
  await sources.client.request({ method: "DELETE", path });
}

/** No secret and nothing of the process or the machine is in a status, an event or the log. */
async function toldNothing(): Promise<void> {
  const { client, namespace } = sources;
  const kinds = [
    ["source.toolkit.fluxcd.io/v1", "GitRepository"],
    ["kustomize.toolkit.fluxcd.io/v1", "Kustomization"],
    ["notification.toolkit.fluxcd.io/v1", "Receiver"],
    ["v1", "ConfigMap"],
    ["v1", "Event"],
  ] as const;
  const lists = await Promise.all(
    kinds.map(([apiVersion, kind]) => listObjects<Reconciled>(client, { apiVersion, kind, namespace })),
  );
  const objects = lists.flat().map((object) => (object.spec === undefined ? object : object.status));
  const { logFile } = await bedPart("sluice");
  const told = JSON.stringify(objects) + (await readFile(logFile, "utf8"));
  const { PATH = "", HOME = "" } = process.env;
  for (const secret of [canary, `PATH=${PATH}`, `HOME=${HOME}`, "root:x:0:0"]) expect(told).not.toContain(secret);
}

describe("repositories that are none", () => {
  /** Creates a GitRepository of a URL, lets the neighbour work meanwhile, and resolves once the fetch has failed. */
  async function failing(url: string): Promise<Reconciled> {
    const name = uniqueName("none");
    await sources.gitRepository(name, url);
    let failed: Reconciled;
    try {
      await neighbourWorks();
      const isFailed = ({ status }: Reconciled) => conditionOf(status, "Ready")?.status === "False";
      failed = await sources.until("GitRepository", name, isFailed, 60);
    } finally {
      await sources.remove(name);
    }
    expect(conditionOf(failed.status, "FetchFailed")).toMatchObject({ status: "True", reason: "GitOperationFailed" });
    expect(typesOf(failed)).toEqual(["FetchFailed", "Ready", "Reconciling"]);
    expect(failed.status?.artifact).toBeUndefined();
    await toldNothing();
    return failed;
  }

  it("GIT-017, SRC-012, SEC-012: a page, and a server that reads the credentials back", async () => {
    const page = new URL(serveFalseRepository(sources.git, { page: `<html>${canary}</html>` }));
    [page.username, page.password] = ["jane", canary];
    expect(messageOf(await failing(page.href))).toMatch(/the server does not speak Git's smart HTTP protocol/);
    const echo = new URL(serveFalseRepository(sources.git, { page: `no jane:${canary} here`, status: 403 }));
    [echo.username, echo.password] = ["jane", canary];
    expect(messageOf(await failing(echo.href))).toMatch(/authorization failed$/);
  });

  it("GE-011, SRC-012: a pack with an object beyond all bounds", async () => {
    const zeros = deflateSync(Buffer.alloc(1_000_000));
    const url = serveFalseRepository(sources.git, { pack: packOfBlobs(1, 2 ** 31, zeros) });
    expect(messageOf(await failing(url))).toMatch(/the pack unpacks to more than \d+ bytes$/);
  });

  it("GE-011, SRC-012: a pack with an object that is larger than it says", async () => {
    const zeros = deflateSync(Buffer.alloc(200_000_000));
    const url = serveFalseRepository(sources.git, { pack: packOfBlobs(1, 1000, zeros) });
    expect(messageOf(await failing(url))).toMatch(/cannot be unpacked, or is larger than it says$/);
  });

  it("GE-011, SRC-012: a pack that is small and unpacks to gigabytes", async () => {
    const size = 64 * 1024 * 1024;
    const pack = packOfBlobs(33, size, deflateSync(Buffer.alloc(size)));
    expect(pack.length).toBeLessThan(3_000_000);
    expect(messageOf(await failing(serveFalseRepository(sources.git, { pack })))).toMatch(
      /the pack unpacks to more than \d+ bytes$/,
    );
  }, 120_000);

  it("GE-011, ART-020: a tree that leads out of itself", async () => {
    const repository = await sources.repository({ "evil.yaml": configMap("evil", {}) });
    const tree = (await repository.git(["rev-parse", "main^{tree}"])).trim();
    const entry = Buffer.concat([Buffer.from("40000 ..\0"), Buffer.from(tree, "hex")]);
    const hash = ["hash-object", "-t", "tree", "-w", "--literally", "--stdin"];
    const outer = (await repository.git(hash, entry)).trim();
    const commit = (
      await repository.git(["-c", "user.name=a", "-c", "user.email=a@b", "commit-tree", "-m", "x", outer])
    ).trim();
    await repository.git(["update-ref", "refs/heads/main", commit]);
    expect(messageOf(await failing(repository.url))).toMatch(/\.\./);
  });
});

describe("webhooks that are none", () => {
  const token = canary;
  let path: string;

  beforeAll(async () => {
    await sources.create({ apiVersion: "v1", kind: "Secret", metadata: { name: "hook" }, stringData: { token } });
    await sources.create({
      apiVersion: "notification.toolkit.fluxcd.io/v1",
      kind: "Receiver",
      metadata: { name: "hook" },
      spec: { type: "github", secretRef: { name: "hook" }, resources: [{ kind: "GitRepository", name: "neighbour" }] },
    });
    path = (await sources.untilReady("Receiver", "hook")).status?.webhookPath ?? "";
  });

  /** POSTs to the front; resolves with the status. An answer may come before the body is through. */
  function call(to: string, body: Uint8Array | string, headers: Record<string, string> = {}): Promise<number> {
    const { endpoint, certificateAuthority: ca } = sources.sluice;
    return new Promise((resolve, reject) => {
      const sending = request(`${endpoint}${to}`, { method: "POST", ca, headers, agent: false }, (response) => {
        response.resume();
        resolve(response.statusCode ?? 0);
        sending.on("error", () => undefined);
        if (!sending.writableFinished) sending.destroy();
      });
      sending.once("error", reject);
      sending.end(body);
    });
  }

  const signed = (body: Uint8Array | string, by = token, algorithm = "sha256") => ({
    "content-type": "application/json",
    "x-github-event": "push",
    "x-hub-signature-256": `${algorithm}=${createHmac("sha256", by).update(body).digest("hex")}`,
  });

  it("RH-001, RT-003, TM-003: are refused by their status and wake nobody", async () => {
    const before = await sources.reconciled("neighbour");
    sources.git.requests.length = 0;
    const body = JSON.stringify({ ref: "refs/heads/main" });
    const deep = "[".repeat(1_000_000);
    const large = Buffer.alloc(3 * 1024 * 1024 + 1, " ");
    const json = { "content-type": "application/json" };
    const refused: [string, number, Promise<number>][] = [
      ["another token", 400, call(path, body, signed(body, "another"))],
      ["another body", 400, call(path, `${body} `, signed(body))],
      ["no signature", 400, call(path, body, { ...json, "x-github-event": "push" })],
      ["an unknown algorithm", 400, call(path, body, signed(body, token, "md5"))],
      ["a signature that is none", 400, call(path, body, { ...signed(body), "x-hub-signature-256": "sha256=zz" })],
      ["another media type", 400, call(path, body, { ...signed(body), "content-type": "text/plain" })],
      ["deep JSON, unsigned", 400, call(path, deep, signed(deep, "another"))],
      ["one byte too much", 413, call(path, large, signed(large))],
      ["far too much", 413, call(path, Buffer.alloc(8 * 1024 * 1024), json)],
      ["much that never comes", 413, call(path, "x", { ...json, "content-length": "1000000000000" })],
      ["a query", 404, call(`${path}?x=1`, body, signed(body))],
      ["a path that nobody has", 404, call(`/hook/${"0".repeat(64)}`, body, signed(body))],
      ["a path that leads elsewhere", 404, call("/artifacts/bed/../../secrets/admission-seed", "")],
      ["an admission call by a stranger", 404, call("/admission/bed/guessed", deep, json)],
    ];
    for (const [what, status, answer] of refused) expect([what, await answer]).toEqual([what, status]);
    const after = await sources.find("GitRepository", "neighbour");
    expect(after?.metadata.resourceVersion).toBe(before.metadata.resourceVersion);
    expect(sources.git.requests).toEqual([]);
    await toldNothing();
  });

  it("RH-001, RH-006: a signed one works beside them, however deep its body", async () => {
    const deep = "[".repeat(1_000_000);
    const floods = Array.from({ length: 20 }, () => call(path, deep, signed(deep, "another")));
    const push = String(++pushes);
    await neighbour.commit({ "config.yaml": configMap("neighbour", { push }) });
    expect(await call(path, deep, signed(deep))).toBe(200);
    await sources.until("ConfigMap", "neighbour", ({ data }) => JSON.stringify(data) === JSON.stringify({ push }));
    expect(new Set(await Promise.all(floods))).toEqual(new Set([400]));
    await toldNothing();
  });
});

describe("beside all this", () => {
  it("SRC-025, KS-232: the neighbour never had anything to complain of", async () => {
    for (const kind of ["GitRepository", "Kustomization"] as const) {
      const events = await sources.events(kind, "neighbour");
      expect(events.filter(({ type }) => type === "Warning")).toEqual([]);
      await sources.untilReady(kind, "neighbour");
    }
  });
});
