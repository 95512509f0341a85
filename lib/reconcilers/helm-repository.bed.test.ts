import { createHash } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { bedPart } from "../../test/bed/bed.ts";
import {
  type ChartRepositoryOptions,
  type ChartRepositoryServer,
  startChartRepository,
} from "../../test/bed/chart-repository.ts";
import { conditionOf, openWorkspace, type Reconciled, type Workspace } from "../../test/bed/workspace.ts";
import { listScheduled } from "../engine/schedule.ts";

describe("a HelmRepository", () => {
  let workspace: Workspace;
  let stored: (object: Reconciled) => Promise<Buffer>;
  const servers: ChartRepositoryServer[] = [];

  /** A repository over HTTPS, and a Secret `<name>-ca` that trusts it. */
  const serve = async (name: string, options?: ChartRepositoryOptions): Promise<ChartRepositoryServer> => {
    const server = await startChartRepository(options);
    servers.push(server);
    await secret(`${name}-ca`, { "ca.crt": server.certificateAuthority });
    return server;
  };
  const secret = (name: string, stringData: Record<string, string>, type = "Opaque") =>
    workspace.create({ apiVersion: "v1", kind: "Secret", metadata: { name }, type, stringData });
  const create = (name: string, url: string, spec: Record<string, unknown> = {}) =>
    workspace.create({
      apiVersion: "source.toolkit.fluxcd.io/v1",
      kind: "HelmRepository",
      metadata: { name },
      spec: { url, interval: "1h", certSecretRef: { name: `${name}-ca` }, ...spec },
    });
  const until = (name: string, wanted: (object: Reconciled) => boolean, seconds?: number) =>
    workspace.until("HelmRepository", name, wanted, seconds);
  const untilFailed = async (name: string, words: string, seconds?: number) =>
    until(name, ({ status }) => conditionOf(status, "FetchFailed")?.message.includes(words) === true, seconds);
  const untilHandled = async (name: string) => {
    const value = await workspace.reconcile("HelmRepository", name);
    return until(name, ({ status }) => status?.lastHandledReconcileAt === value);
  };

  beforeAll(async () => {
    workspace = await openWorkspace("helm-repository");
    const { artifacts } = await bedPart("sluice");
    stored = ({ status }) => readFile(join(artifacts, "bed", status?.artifact?.path ?? ""));
  });
  afterAll(async () => {
    await Promise.all(servers.map((server) => server.stop()));
    await workspace?.close();
  });

  it("HR-002, HR-003, HR-004, HR-012, SB-007, ART-002, ART-017, ART-018, ART-022: stores the index as sorted JSON and asks for no more than what is new", async () => {
    const server = await serve("index");
    await server.publish("app", "1.0.0");
    await server.publish("app", "1.10.0");
    await server.publish("app", "1.9.0");
    const index = await readFile(join(server.directory, "index.yaml"));
    const hex = createHash("sha256").update(index).digest("hex");
    await create("index", `${server.url}/charts/?token=1`);
    const ready = await workspace.untilReady("HelmRepository", "index");
    const { artifact } = ready.status ?? {};
    expect(artifact?.revision).toBe(`sha256:${hex}`);
    expect(artifact?.path).toBe(`helmrepository/${workspace.namespace}/index/index-${hex}.yaml`);
    const json = await stored(ready);
    expect(artifact?.size).toBe(json.length);
    expect(artifact?.digest).toBe(`sha256:${createHash("sha256").update(json).digest("hex")}`);
    expect(JSON.parse(json.toString()).entries.app.map(({ version }: { version: string }) => version)).toEqual([
      "1.10.0",
      "1.9.0",
      "1.0.0",
    ]);
    expect(conditionOf(ready.status, "ArtifactInStorage")?.message).toBe(`stored artifact: revision 'sha256:${hex}'`);
    expect((ready.status as { url?: string }).url).toMatch(/\/index\/index\.yaml$/);
    expect(server.requests.map(({ path, status }) => [path, status])).toEqual([["/charts/index.yaml?token=1", 200]]);

    // A large index costs nothing while it is the same.
    const description = "x".repeat(1000);
    const versions = Array.from(
      { length: 20_000 },
      (_, number) => `  - name: big\n    version: 1.0.${number}\n    description: ${description}\n`,
    );
    const large = Buffer.from(`apiVersion: v1\nentries:\n  big:\n${versions.join("")}`);
    await writeFile(join(server.directory, "index.yaml"), large);
    const changed = createHash("sha256").update(large).digest("hex");
    await workspace.reconcile("HelmRepository", "index");
    const next = await until("index", ({ status }) => status?.artifact?.revision === `sha256:${changed}`);
    server.requests.length = 0;
    const handled = await untilHandled("index");
    // The minute's look may come to the one that was asked for.
    expect(new Set(server.requests.map(({ status }) => status))).toEqual(new Set([304]));
    expect(server.requests[0]?.sent).toBeLessThan(1024);
    expect(handled.status?.artifact).toEqual(next.status?.artifact);
    const events = await workspace.events("HelmRepository", "index");
    const size = json.length < 1000 ? `${json.length}B` : `${Number((json.length / 1000).toPrecision(4))}kB`;
    expect(events.map(({ type, reason, message }) => [type, reason, message])).toEqual([
      ["Normal", "NewArtifact", `stored fetched index of size ${size} from '${server.url}/charts/?token=1'`],
      ["Normal", "NewArtifact", expect.stringMatching(/^stored fetched index of size 2\d\.\d+MB from /)],
      ["Normal", "ArtifactUpToDate", `artifact up-to-date with remote revision: 'sha256:${changed}'`],
    ]);
  });

  it("HR-001, SRC-016: refuses a registry's address until the object changes", async () => {
    await create("registry", "oci://registry.example.com/charts", { certSecretRef: undefined });
    const { metadata, status } = await until(
      "registry",
      (object) => conditionOf(object.status, "Stalled")?.status === "True",
    );
    const message = "invalid Helm repository URL: 'oci' URL scheme cannot be used with 'default' HelmRepository type";
    for (const type of ["Stalled", "FetchFailed"])
      expect(conditionOf(status, type)).toMatchObject({ status: "True", reason: "URLInvalid", message });
    expect(conditionOf(status, "Ready")).toMatchObject({ status: "False", reason: "URLInvalid", message });
    expect(status?.observedGeneration).toBe(metadata.generation);
  });

  it("HR-005, HR-006, HR-007, ART-019, SRC-025, SRC-027, SRC-032: says why there is no index, keeps the old one, and tells of the recovery", async () => {
    const server = await serve("broken");
    await server.publish("app", "1.0.0");
    const index = await readFile(join(server.directory, "index.yaml"));
    await create("broken", server.url);
    const { status: before } = await workspace.untilReady("HelmRepository", "broken");
    const bad: [body: string | Buffer, reason: string, message: string][] = [
      [
        "<html><body>maintenance</body></html>",
        "IndexationFailed",
        "failed to load Helm repository from index YAML: failed to load index: ",
      ],
      [
        "entries: {}",
        "IndexationFailed",
        "failed to load Helm repository from index YAML: failed to load index: no API version specified",
      ],
      [
        "apiVersion: v1\nentries:\n  app:\n  - name: app\n    name: app\n",
        "IndexationFailed",
        "duplicated mapping key",
      ],
      [aliasBomb(), "IndexationFailed", "failed to load Helm repository from index YAML: failed to load index: "],
      [
        Buffer.alloc(51 * 1024 * 1024, 0x20),
        "Failed",
        "failed to fetch Helm repository index: failed to cache index to temporary file: index exceeds the maximum index file size of 52428800 bytes",
      ],
    ];
    for (const [body, reason, message] of bad) {
      await writeFile(join(server.directory, "index.yaml"), body);
      await workspace.reconcile("HelmRepository", "broken");
      const { status } = await untilFailed("broken", message, 60);
      expect(conditionOf(status, "FetchFailed")?.reason).toBe(reason);
      expect(conditionOf(status, "Ready")).toMatchObject({ status: "False", reason });
      expect(status?.artifact).toEqual(before?.artifact);
    }
    server.intercept = (_, response) => response.writeHead(404).end() !== undefined;
    await workspace.reconcile("HelmRepository", "broken");
    await untilFailed("broken", `failed to fetch ${server.url}/index.yaml : 404 Not Found`);
    // A look that begins before it may last a second alone would hold the object for its minute.
    await workspace.patch("HelmRepository", "broken", { spec: { timeout: "1s" } });
    await workspace.until(
      "HelmRepository",
      "broken",
      ({ metadata, status: told }) => conditionOf(told, "Ready")?.observedGeneration === metadata.generation,
    );
    server.intercept = () => true;
    await workspace.reconcile("HelmRepository", "broken");
    await untilFailed("broken", "failed to cache index to temporary file: context deadline exceeded");
    server.intercept = () => false;
    await writeFile(join(server.directory, "index.yaml"), index);
    await workspace.reconcile("HelmRepository", "broken");
    const { status } = await workspace.untilReady("HelmRepository", "broken");
    expect(status?.artifact).toEqual(before?.artifact);
    const events = await workspace.events("HelmRepository", "broken");
    expect(events.filter(({ reason }) => reason === "NewArtifact")).toHaveLength(1);
    expect(events.filter(({ reason }) => reason === "Succeeded")).toHaveLength(1);
    expect(events.filter(({ type }) => type === "Warning").length).toBeGreaterThanOrEqual(bad.length);
  }, 180_000);

  it("HR-008, HR-010, HR-011, HR-017, SEC-001, SEC-011, SEC-012, SRC-033: asks as its own Secret says, and no tenant gets what only another's may read", async () => {
    const credentials = { username: "ada", password: "canary-4711" };
    const server = await serve("private", { basic: credentials });
    await server.publish("app", "1.0.0");
    await secret("half", { username: "ada" });
    await secret("good", credentials);
    await secret("wrong", { username: "eve", password: "canary-4712" });
    await secret("half-pair", { "tls.crt": server.client.certificate });
    const namespace = workspace.namespace;
    const ca = { certSecretRef: { name: "private-ca" } };
    await create("private", server.url, { secretRef: { name: "good" } });
    await create("stranger", server.url, { ...ca, secretRef: { name: "wrong" } });
    await create("nobody", server.url, ca);
    await create("half", server.url, { ...ca, secretRef: { name: "half" } });
    await create("no-secret", server.url, { ...ca, secretRef: { name: "nowhere" } });
    await create("no-ca", server.url, { certSecretRef: { name: "nowhere" } });
    await create("half-pair", server.url, { certSecretRef: { name: "half-pair" } });
    await workspace.untilReady("HelmRepository", "private");
    const failed: [name: string, reason: string, message: string][] = [
      ["stranger", "Failed", `failed to fetch ${server.url}/index.yaml : 401 Unauthorized`],
      ["nobody", "Failed", `failed to fetch ${server.url}/index.yaml : 401 Unauthorized`],
      [
        "half",
        "AuthenticationFailed",
        `secret '${namespace}/half': malformed basic auth - has 'username' but missing 'password'`,
      ],
      ["no-secret", "AuthenticationFailed", `failed to get authentication secret '${namespace}/nowhere': `],
      ["no-ca", "AuthenticationFailed", `failed to get TLS authentication secret '${namespace}/nowhere': `],
      ["half-pair", "AuthenticationFailed", `secret '${namespace}/half-pair' contains 'tls.crt' but missing 'tls.key'`],
    ];
    for (const [name, reason, message] of failed) {
      const { status } = await untilFailed(name, message);
      expect(conditionOf(status, "FetchFailed")?.reason).toBe(reason);
      expect(status?.artifact).toBeUndefined();
      expect(JSON.stringify(status)).not.toContain("canary");
    }
    await workspace.patch("Secret", "wrong", { stringData: credentials });
    await workspace.reconcile("HelmRepository", "stranger");
    await workspace.untilReady("HelmRepository", "stranger");
    await workspace.patch("Secret", "good", { stringData: { password: "revoked" } });
    await workspace.reconcile("HelmRepository", "private");
    const { status } = await untilFailed("private", "401 Unauthorized");
    expect(status?.artifact).toBeDefined();
  });

  it("HR-009, SEC-001, SEC-002, SEC-003: shows a certificate and trusts an authority besides the system's, from certSecretRef before secretRef", async () => {
    const server = await serve("mutual", { mutual: true });
    const stranger = await serve("stranger-server");
    await server.publish("app", "1.0.0");
    const { certificate, key } = server.client;
    const own = { "tls.crt": certificate, "tls.key": key, "ca.crt": server.certificateAuthority };
    await secret("pair", own, "kubernetes.io/tls");
    await secret("old", { certFile: certificate, keyFile: key, caFile: server.certificateAuthority });
    await secret("both", { ...own, caFile: stranger.certificateAuthority });
    await secret("other", {
      "tls.crt": stranger.client.certificate,
      "tls.key": stranger.client.key,
      "ca.crt": stranger.certificateAuthority,
    });
    await create("pair", server.url, { certSecretRef: { name: "pair" } });
    await create("old", server.url, { certSecretRef: { name: "old" } });
    await create("both", server.url, { certSecretRef: { name: "both" } });
    await create("deprecated", server.url, { certSecretRef: undefined, secretRef: { name: "pair" } });
    await create("first", server.url, { certSecretRef: { name: "pair" }, secretRef: { name: "other" } });
    await create("second", server.url, { certSecretRef: { name: "other" }, secretRef: { name: "pair" } });
    await create("mutual", server.url);
    for (const name of ["pair", "old", "both", "deprecated", "first"])
      await workspace.untilReady("HelmRepository", name);
    await untilFailed("second", "tls: failed to verify certificate");
    await untilFailed("mutual", "tls");
  });

  it("HR-013, HR-014, HR-016, SRC-022: leaves a registry's object alone, and takes back what it did while it was none", async () => {
    const server = await serve("switched");
    await server.publish("app", "1.0.0");
    const accessFrom = { namespaceSelectors: [{ matchLabels: { a: "b" } }] };
    await create("passive", "oci://registry.example.com/charts", { type: "oci", certSecretRef: undefined, accessFrom });
    await create("switched", server.url, { accessFrom });
    const active = await workspace.untilReady("HelmRepository", "switched");
    expect(active.metadata.finalizers).toEqual(["finalizers.fluxcd.io"]);
    await workspace.reconcile("HelmRepository", "passive");
    await workspace.patch("HelmRepository", "switched", { spec: { suspend: true } });
    await workspace.patch("HelmRepository", "switched", { spec: { type: "oci", url: "oci://registry.example.com/x" } });
    // It stays as it is for as long as it is suspended.
    await sleep(1500);
    const suspended = await workspace.find("HelmRepository", "switched");
    expect(suspended?.status?.artifact).toEqual(active.status?.artifact);
    expect(suspended?.metadata.finalizers).toEqual(["finalizers.fluxcd.io"]);
    await workspace.patch("HelmRepository", "switched", { spec: { suspend: null } });
    await until("switched", ({ metadata }) => metadata.finalizers === undefined);
    await until("switched", ({ status }) => status?.conditions === undefined && status?.artifact === undefined);
    await expect(stored(active)).rejects.toThrow("ENOENT");
    const untouched = await until("passive", ({ status = {} }) => Object.keys(status).length === 0);
    expect(untouched.metadata.finalizers).toBeUndefined();
    await workspace.patch("HelmRepository", "switched", { spec: { type: "default", url: server.url } });
    const again = await workspace.untilReady("HelmRepository", "switched");
    await stored(again);
  });

  it("SB-002, SB-005, SB-007: fetches an index once for all objects that ask for it with the same credentials", async () => {
    const server = await serve("shared");
    await server.publish("app", "1.0.0");
    const names = Array.from({ length: 10 }, (_, number) => `shared-${number}`);
    for (const name of names) await create(name, server.url, { certSecretRef: { name: "shared-ca" } });
    for (const name of names) await workspace.untilReady("HelmRepository", name);
    const fetches = () => server.requests.filter(({ status }) => status === 200).length;
    expect(fetches()).toBe(1);
    await server.publish("app", "1.1.0");
    const hex = createHash("sha256")
      .update(await readFile(join(server.directory, "index.yaml")))
      .digest("hex");
    await workspace.reconcile("HelmRepository", "shared-3");
    for (const name of names) {
      const object = await until(name, ({ status }) => status?.artifact?.revision === `sha256:${hex}`);
      expect(JSON.parse((await stored(object)).toString()).entries.app).toHaveLength(2);
    }
    expect(fetches()).toBe(2);
  });

  it("CV-002, CV-005: is reconciled in v1beta2 as well", async () => {
    const server = await serve("beta");
    await server.publish("app", "1.0.0");
    await workspace.create({
      apiVersion: "source.toolkit.fluxcd.io/v1beta2",
      kind: "HelmRepository",
      metadata: { name: "beta" },
      spec: { url: server.url, interval: "1h", certSecretRef: { name: "beta-ca" } },
    });
    await workspace.untilReady("HelmRepository", "beta");
  });

  it("HR-013, HR-018: is due each minute where no interval is set, and never where it is a registry", async () => {
    await create("minute", "https://127.0.0.1:1", { interval: undefined, certSecretRef: undefined, suspend: true });
    await create("hour", "https://127.0.0.1:1", { certSecretRef: undefined, suspend: true });
    await create("never", "oci://registry.example.com/x", { type: "oci", certSecretRef: undefined });
    const scope = { watchAllNamespaces: false, runtimeNamespace: workspace.namespace, watchLabelSelector: "" };
    const scheduled = await listScheduled(workspace.client, "HelmRepository", scope);
    const interval = (name: string) => scheduled.find((one) => one.name === name)?.interval;
    expect(["minute", "hour", "never"].map(interval)).toEqual([60_000, 3_600_000, undefined]);
  });
});

/** Some hundred bytes that would be gigabytes with copies in the place of aliases. */
function aliasBomb(): string {
  const lines = ["apiVersion: v1", "serverInfo:", '  a0: &a0 ["lol", "lol", "lol", "lol", "lol", "lol", "lol", "lol"]'];
  for (let level = 1; level < 12; level++)
    lines.push(`  a${level}: &a${level} [${Array.from({ length: 8 }, () => `*a${level - 1}`).join(", ")}]`);
  return `${lines.join("\n")}\nentries: {}\n`;
}
