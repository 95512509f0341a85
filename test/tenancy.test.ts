import { readFile } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { KubernetesObject } from "../lib/api/object.ts";
import { findObject } from "../lib/cluster/objects.ts";
import { uniqueName } from "./bed/bed.ts";
import { messageOf } from "./bed/sources.ts";
import { openTenants, type Team, type Tenants } from "./bed/tenants.ts";
import { apiVersions, conditionOf, configMap, type Reconciled } from "./bed/workspace.ts";

const canary = uniqueName("c4n4ry");
let tenants: Tenants;
let a: Team;
let b: Team;

beforeAll(async () => {
  tenants = await openTenants();
  ({ a, b } = tenants);
  await a.push({ "app.yaml": configMap("app", { of: "a" }) });
  await b.push({ "app.yaml": configMap("app", { of: "b" }) });
  for (const kind of ["Secret", "ConfigMap"]) {
    const data = { colour: canary };
    const object = { apiVersion: "v1", kind, metadata: { name: "settings" } };
    await a.create({ ...object, ...(kind === "Secret" ? { stringData: data } : { data }) } as KubernetesObject);
  }
}, 300_000);

afterAll(() => tenants?.close(), 60_000);

const readyOf = ({ status }: Reconciled) => conditionOf(status, "Ready")?.status;

function find(apiVersion: string, kind: string, name: string, namespace?: string) {
  return findObject(b.client, { apiVersion, kind, name, ...(namespace === undefined ? {} : { namespace }) });
}

const manifest = (apiVersion: string, kind: string, metadata: object, rest: object = {}) =>
  JSON.stringify({ apiVersion, kind, metadata, ...rest });
const rbac = "rbac.authorization.k8s.io/v1";
const admin = { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "cluster-admin" };

describe("the worked example of docs/tenancy.md", () => {
  it("MT-016, KS-210: each team has what it pushed in its own namespace", async () => {
    expect((await a.find("ConfigMap", "app"))?.data).toEqual({ of: "a" });
    expect((await b.find("ConfigMap", "app"))?.data).toEqual({ of: "b" });
  });

  it("MT-002, KS-210: a team cannot apply more than its role allows", async () => {
    await b.deploy.commit({ "role.yaml": manifest(rbac, "Role", { name: "more" }, { rules: [] }) });
    await b.reconcile("GitRepository", "deploy");
    const failed = await b.until("Kustomization", "deploy", (object) => readyOf(object) === "False");
    expect(messageOf(failed)).toContain('User "system:serviceaccount:team-b:team-b" cannot');
    expect(await find(rbac, "Role", "more", "team-b")).toBeUndefined();
    await b.push({ "role.yaml": null });
  });
});

describe("the platform under lockdown", () => {
  it("MT-003: what names the account of the controller has the rights of the platform", async () => {
    const metadata = { name: "platform", namespace: "flux-system" };
    const source = {
      interval: "1h",
      url: (await b.repository({ "a.yaml": namespace("made") })).url,
      ref: { branch: "main" },
    };
    const sourceRef = { kind: "GitRepository", name: "platform" };
    const spec = { interval: "1h", prune: false, serviceAccountName: "kustomize-controller", sourceRef };
    const platform: KubernetesObject[] = [
      { apiVersion: apiVersions.GitRepository, kind: "GitRepository", metadata, spec: source },
      { apiVersion: apiVersions.Kustomization, kind: "Kustomization", metadata, spec },
    ];
    for (const object of platform) await b.create(object);
    await expect.poll(() => find("v1", "Namespace", "made"), { timeout: 30_000 }).toBeDefined();
  });

  const namespace = (name: string) => manifest("v1", "Namespace", { name });
});

describe("a tenant reaches nothing by what it applies", () => {
  it.each<[string, string]>([
    ["an object of another namespace", manifest("v1", "ConfigMap", { name: "stolen", namespace: "team-a" })],
    [
      "an object that is there",
      manifest("v1", "ConfigMap", { name: "app", namespace: "team-a" }, { data: { of: "b" } }),
    ],
    [
      "a binding for the whole cluster",
      manifest(
        rbac,
        "ClusterRoleBinding",
        { name: "stolen" },
        { roleRef: admin, subjects: [{ kind: "ServiceAccount", name: "team-b", namespace: "team-b" }] },
      ),
    ],
    ["a namespace", manifest("v1", "Namespace", { name: "stolen" })],
    [
      "the flags of Sluice",
      manifest(
        "apps/v1",
        "Deployment",
        { name: "kustomize-controller", namespace: "flux-system" },
        { spec: { replicas: 1 } },
      ),
    ],
    [
      "a Kustomization of another namespace",
      manifest(
        "kustomize.toolkit.fluxcd.io/v1",
        "Kustomization",
        { name: "stolen", namespace: "team-a" },
        { spec: { interval: "1h", prune: true, sourceRef: { kind: "GitRepository", name: "deploy" } } },
      ),
    ],
  ])("MT-002, KS-210: %s", async (_, text) => {
    const failed = await b.attempt({ sourceRef: await b.source({ "a.yaml": text }) });
    expect(readyOf(failed)).toBe("False");
    expect(messageOf(failed)).toContain('User "system:serviceaccount:team-b:team-b" cannot');
    const { apiVersion, kind, metadata } = JSON.parse(text);
    if (metadata.name === "stolen")
      expect(await find(apiVersion, kind, metadata.name, metadata.namespace)).toBeUndefined();
    expect((await a.find("ConfigMap", "app"))?.data).toEqual({ of: "a" });
  });

  it.each<[string, object]>([
    ["no service account", { serviceAccountName: undefined }],
    ["an empty name of one", { serviceAccountName: "" }],
    ["the name of one that is not there", { serviceAccountName: "nobody" }],
    ["the name of another namespace's", { serviceAccountName: "team-a" }],
    ["a name with a namespace", { serviceAccountName: "../team-a:team-a" }],
  ])("MT-003, KS-210: with %s it has no rights", async (_, spec) => {
    const failed = await b.attempt({
      sourceRef: await b.source({ "a.yaml": configMap("rightless", {}) }),
      targetNamespace: "team-b",
      ...spec,
    });
    expect(messageOf(failed)).toMatch(/User "system:serviceaccount:team-b:[^"]*" cannot (patch|get|create)/);
    expect(await b.find("ConfigMap", "rightless")).toBeUndefined();
  });

  it("MT-003: a name that would be two headers is none", async () => {
    const failed = await b.attempt({ serviceAccountName: "team-b\r\nImpersonate-Group: system:masters" });
    expect(readyOf(failed)).toBe("False");
    expect(messageOf(failed)).toMatch(/invalid character/i);
    expect(await find("v1", "ConfigMap", "app", "team-b")).toBeDefined();
  });

  it("MT-005, KS-190: health of others' objects is looked at as the tenant", async () => {
    const healthChecks = [{ apiVersion: "v1", kind: "Secret", name: "settings", namespace: "team-a" }];
    const failed = await b.attempt({ targetNamespace: "team-b", namePrefix: "h-", healthChecks, timeout: "30s" });
    expect(messageOf(failed)).toMatch(/Secret\/team-a\/settings/);
    expect(JSON.stringify(failed.status)).not.toContain(canary);
  });
});

describe("a tenant reaches nothing by what it refers to", () => {
  const up = "../../../namespaces/team-a";
  const encoded = "..%2F..%2Fteam-a%2F";

  it("KS-021, MT-004: a source of another namespace, by its field", async () => {
    const failed = await b.attempt({ sourceRef: { kind: "GitRepository", name: "deploy", namespace: "team-a" } });
    for (const type of ["Ready", "Stalled"])
      expect(conditionOf(failed.status, type)).toMatchObject({
        reason: "AccessDenied",
        message: "can't access 'GitRepository/team-a/deploy', cross-namespace references have been blocked",
      });
  });

  it.each<[string, (name: string) => object, string]>([
    ["sourceRef", (name) => ({ sourceRef: { kind: "GitRepository", name } }), "gitrepositories/deploy"],
    ["dependsOn", (name) => ({ dependsOn: [{ name }] }), "kustomizations/deploy"],
    [
      "a Secret of substituteFrom",
      (name) => ({ postBuild: { substituteFrom: [{ kind: "Secret", name }] } }),
      "secrets/settings",
    ],
    [
      "a ConfigMap of substituteFrom",
      (name) => ({ postBuild: { substituteFrom: [{ kind: "ConfigMap", name }] } }),
      "configmaps/settings",
    ],
    ["decryption", (name) => ({ decryption: { provider: "sops", secretRef: { name } } }), "secrets/settings"],
    ["kubeConfig", (name) => ({ kubeConfig: { secretRef: { name } } }), "secrets/settings"],
    ["the ConfigMap of kubeConfig", (name) => ({ kubeConfig: { configMapRef: { name } } }), "configmaps/settings"],
  ])(
    "KS-210, MT-001: by a name in %s that leads elsewhere",
    async (_, spec, target) => {
      const files = await b.source({ "a.yaml": configMap("substituted", { colour: `\${colour}` }) });
      for (const name of [
        `${up}/${target}`,
        `x/../${target}`,
        encoded + target.replace("/", "%2F"),
        "..",
        "settings?x=",
        "a/status",
      ]) {
        const failed = await b.attempt({ sourceRef: files, targetNamespace: "team-b", ...spec(name) });
        expect(readyOf(failed), name).toBe("False");
        expect(messageOf(failed), name).toMatch(name.includes("?") ? /not found|invalid/ : /invalid resource name/);
        expect(JSON.stringify(failed)).not.toContain(canary);
      }
      expect(await b.find("ConfigMap", "substituted")).toBeUndefined();
    },
    60_000,
  );

  it("KS-105, MT-001: values of its own namespace alone are substituted", async () => {
    const files = await b.source({ "a.yaml": configMap("own-only", { colour: `\${colour}` }) });
    const postBuild = { substituteFrom: [{ kind: "Secret", name: "settings" }] };
    expect(messageOf(await b.attempt({ sourceRef: files, targetNamespace: "team-b", postBuild }))).toContain(
      `secrets "settings" not found`,
    );
  });
});

describe("the API server's audit log", () => {
  type Request = {
    verb: string;
    userAgent?: string;
    impersonatedUser?: { username?: string };
    objectRef?: { resource?: string; namespace?: string; name?: string };
  };

  it("MT-001, KS-210: managed objects are asked for as tenants, and Secrets as Sluice only in the namespace of who refers to them", async () => {
    const lines = (await readFile(tenants.sluice.cluster.auditLog ?? "", "utf8")).trim().split("\n");
    const requests = lines
      .map((line): Request => JSON.parse(line))
      .filter(({ userAgent }) => userAgent === "sluice/0.1.0");
    const inTeams = requests.filter(({ objectRef }) => /^team-[ab]$/.test(objectRef?.namespace ?? ""));
    const managed = inTeams.filter(({ objectRef }) =>
      ["deployments", "roles", "services"].includes(objectRef?.resource ?? ""),
    );
    expect(managed.length).toBeGreaterThan(0);
    for (const { impersonatedUser } of managed)
      expect(impersonatedUser?.username).toMatch(/^system:serviceaccount:team-[ab]:/);
    const writes = inTeams.filter(
      ({ verb, objectRef }) =>
        !["get", "list"].includes(verb) && ["configmaps", "secrets"].includes(objectRef?.resource ?? ""),
    );
    for (const { impersonatedUser } of writes)
      expect(impersonatedUser?.username).toMatch(/^system:serviceaccount:team-[ab]:/);
    // Nothing of team a refers to a Secret, and what team b tried led nowhere.
    const asSluice = requests.filter(
      ({ objectRef, impersonatedUser }) => objectRef?.resource === "secrets" && impersonatedUser === undefined,
    );
    expect([...new Set(asSluice.map(({ objectRef }) => objectRef?.namespace))]).toEqual(["team-b"]);
  });
});
