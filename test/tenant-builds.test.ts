import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { KubernetesObject } from "../lib/api/object.ts";
import { bedPart, uniqueName } from "./bed/bed.ts";
import { messageOf } from "./bed/sources.ts";
import { conditionOf, configMap, openWorkspace, type Reconciled, type Workspace } from "./bed/workspace.ts";

/** What no tenant may see: a file of Sluice's machine, and the artifact of another tenant. */
const canary = uniqueName("c4n4ry");
let directory: string;
let tenant: Workspace;
let victim: Workspace;
let server: Server;
let address: string;
const asked: string[] = [];

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "sluice-outside-"));
  await writeFile(join(directory, "canary"), `token=${canary}\n`);
  const kustomization = JSON.stringify({ configMapGenerator: [{ name: "stolen", envs: ["canary"] }] });
  await writeFile(join(directory, "kustomization.yaml"), kustomization);
  [tenant, victim] = await Promise.all([openWorkspace("tenant"), openWorkspace("victim")]);
  const { namespace } = tenant;
  const roleRef = { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "admin" };
  const subjects = [{ kind: "ServiceAccount", name: "tenant", namespace }];
  const binding = { apiVersion: "rbac.authorization.k8s.io/v1", kind: "RoleBinding", metadata: { name: "tenant" } };
  await tenant.create({ apiVersion: "v1", kind: "ServiceAccount", metadata: { name: "tenant" } });
  await tenant.create({ ...binding, roleRef, subjects } as KubernetesObject);
  const repository = await victim.repository({ "app.yaml": configMap("of-victim", { token: canary }) });
  await victim.gitRepository("source", repository.url);
  await victim.untilReady("GitRepository", "source");
  server = createServer((request, response) => {
    asked.push(request.url ?? "");
    if (request.url?.startsWith("/away"))
      response.writeHead(302, { location: "http://169.254.169.254/latest/meta-data/iam/security-credentials/" }).end();
    else if (request.url?.startsWith("/text")) response.end(`token: [${canary}\n  password: "${canary}`);
    else response.writeHead(404).end();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const bound = server.address();
  address = typeof bound === "object" && bound !== null ? `http://127.0.0.1:${bound.port}` : "";
}, 120_000);

afterAll(async () => {
  server?.closeAllConnections();
  server?.close();
  await Promise.all([tenant?.close(), victim?.close()]);
  await rm(directory, { recursive: true, force: true });
});

/** A source of the tenant with these files. */
async function source(files: Record<string, string>) {
  const name = uniqueName("files");
  await tenant.gitRepository(name, (await tenant.repository({ "README.md": "", ...files })).url);
  await tenant.untilReady("GitRepository", name);
  return { kind: "GitRepository" as const, name };
}

/** A Kustomization of the tenant as it ended. */
async function attempt(spec: object): Promise<Reconciled> {
  const name = uniqueName("attempt");
  await tenant.kustomization(name, { serviceAccountName: "tenant", retryInterval: "1h", ...spec });
  const ended = ({ status }: Reconciled) => /True|False/.test(conditionOf(status, "Ready")?.status ?? "");
  return tenant.until("Kustomization", name, ended, 60);
}

/** Nothing of what no tenant may see is in the object, in its events, or in what was applied of it. */
async function expectNothingSeen(object: Reconciled): Promise<void> {
  const { name } = object.metadata;
  const { HOME = "none", PATH = "none" } = process.env;
  const path = `/api/v1/namespaces/${tenant.namespace}`;
  const read = (kind: string) => tenant.client.request({ method: "GET", path: `${path}/${kind}` });
  const seen = [
    object.status,
    await tenant.events("Kustomization", name),
    await read("configmaps"),
    await read("secrets"),
  ];
  const texts = seen.map((part) => JSON.stringify(part));
  for (const secret of [canary, Buffer.from(canary).toString("base64").slice(0, -4), `HOME=${HOME}`, `PATH=${PATH}`])
    for (const text of texts) expect(text.includes(secret)).toBe(false);
}

/** Every field of a kustomization by which a file is read. */
const fields: Record<string, (path: string) => object> = {
  resources: (path) => ({ resources: [path] }),
  components: (path) => ({ components: [path] }),
  crds: (path) => ({ crds: [path] }),
  configurations: (path) => ({ configurations: [path] }),
  openapi: (path) => ({ openapi: { path } }),
  patches: (path) => ({ patches: [{ path, target: { kind: "ConfigMap" } }] }),
  patchesStrategicMerge: (path) => ({ patchesStrategicMerge: [path] }),
  replacements: (path) => ({ replacements: [{ path }] }),
  "configMapGenerator.files": (path) => ({ configMapGenerator: [{ name: "stolen", files: [`k=${path}`] }] }),
  "secretGenerator.envs": (path) => ({ secretGenerator: [{ name: "stolen", envs: [path] }] }),
  generators: (path) => ({ generators: [path] }),
  "an inline plugin": (path) => ({
    generators: [
      JSON.stringify({
        ...{ apiVersion: "builtin", kind: "ConfigMapGenerator" },
        metadata: { name: "x" },
        files: [path],
      }),
    ],
  }),
};

async function outside(): Promise<string[]> {
  const { artifacts } = await bedPart("sluice");
  const far = "../".repeat(20);
  const own = join(directory, "canary");
  return ["/proc/self/environ", "/proc/1/environ", own, far + relative("/", own), directory, join(artifacts, "bed")];
}

describe("what a build of a tenant reads", () => {
  it("KS-028, KS-070: spec.path leads nowhere but into the artifact", async () => {
    const sourceRef = await source({ "own.yaml": configMap("own", {}) });
    for (const path of ["../../..", "/", "a/../../..", "./../", "/../"]) {
      const ready = await attempt({ sourceRef, path, prune: false });
      expect(messageOf(ready), path).toMatch(/^Applied revision/);
      expect(ready.status?.inventory?.entries.map(({ id }) => id)).toEqual([`${tenant.namespace}_own__ConfigMap`]);
    }
    for (const path of [directory, "/proc/self", "/etc", `../../../..${directory}`, "%2e%2e/%2e%2e", "..\\..\\.."]) {
      const failed = await attempt({ sourceRef, path });
      expect(messageOf(failed), path).toMatch(/^kustomization path not found:/);
      await expectNothingSeen(failed);
    }
  }, 60_000);

  it("KS-070, SN-02: nor does spec.components", async () => {
    const sourceRef = await source({ "own.yaml": configMap("own", {}) });
    for (const component of await outside()) {
      const failed = await attempt({ sourceRef, components: [component] });
      expect(conditionOf(failed.status, "Ready")?.reason, component).toBe("BuildFailed");
      await expectNothingSeen(failed);
    }
  }, 60_000);

  it.each(Object.keys(fields))(
    "KS-070, SN-02: nor does %s, of its own kustomization or of a remote base",
    async (field) => {
      const paths = await outside();
      const files = paths.map((path, index): [string, string] => [
        `${index}/kustomization.yaml`,
        JSON.stringify(fields[field]?.(path)),
      ]);
      const base = await tenant.repository({ "README.md": "", ...Object.fromEntries(files) });
      const remote = paths.map((_, index): [string, string] => [
        `remote-${index}/kustomization.yaml`,
        JSON.stringify({ resources: [`${base.url}//${index}?ref=main`] }),
      ]);
      const sourceRef = await source(Object.fromEntries([...files, ...remote]));
      const attempts = [...files, ...remote].map(([path]) => attempt({ sourceRef, path: path.split("/")[0] }));
      for (const failed of await Promise.all(attempts)) {
        expect(conditionOf(failed.status, "Ready")?.reason, JSON.stringify(failed.spec.path)).toBe("BuildFailed");
        expect(messageOf(failed)).toMatch(/security; path|not in or below/);
        await expectNothingSeen(failed);
      }
    },
    120_000,
  );
});

describe("where a remote base leads", () => {
  it.each<[string, () => string]>([
    ["instance metadata", () => "http://169.254.169.254/latest/meta-data/iam/security-credentials/"],
    ["instance metadata, in other digits", () => "http://0xa9fea9fe/latest/meta-data/"],
    ["instance metadata over IPv6", () => "http://[fd00:ec2::254]/latest/meta-data/"],
    ["IPv4 within IPv6", () => "http://[::ffff:169.254.169.254]/latest/meta-data/"],
    ["credentials of containers", () => "http://169.254.170.2/v2/credentials"],
    ["a redirect to them", () => `${address}/away`],
  ])(
    "TM-008, KS-071: not to %s",
    async (_, url) => {
      const sourceRef = await source({ "kustomization.yaml": JSON.stringify({ resources: [url()] }) });
      const failed = await attempt({ sourceRef });
      expect(conditionOf(failed.status, "Ready")?.reason).toBe("BuildFailed");
      expect(messageOf(failed)).toMatch(/not to be reached|link-local/);
      await expectNothingSeen(failed);
    },
    60_000,
  );

  it("TM-008, KS-105: what an address within the network says, and is no manifest, is not shown", async () => {
    const url = `${address}/text.yaml`;
    const own = { resources: ["own.yaml"] };
    for (const fields of [
      { resources: [url] },
      { ...own, openapi: { path: url } },
      { ...own, patches: [{ path: url }] },
    ]) {
      const files = { "kustomization.yaml": JSON.stringify(fields), "own.yaml": configMap("own", {}) };
      const sourceRef = await source(files);
      const failed = await attempt({ sourceRef });
      expect(conditionOf(failed.status, "Ready")?.reason).toBe("BuildFailed");
      await expectNothingSeen(failed);
    }
    expect(asked.filter((path) => path.startsWith("/text"))).not.toEqual([]);
  }, 60_000);
});
