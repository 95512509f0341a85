// biome-ignore-all lint/suspicious/noTemplateCurlyInString: these texts are what is tested
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { KustomizationSpec } from "../lib/api/kustomization.ts";
import type { GitRepository } from "../lib/host/git/repository.ts";
import { conditionOf, configMap, openWorkspace, type Reconciled, type Workspace } from "./bed/workspace.ts";

let workspace: Workspace;
let repository: GitRepository;

/** Scalars that a variable puts in the place of a whole value, and what the cluster is given. */
const scalars: [name: string, value: string, read: unknown][] = [
  ["yes", "yes", true],
  ["off", "off", false],
  ["n", "n", false],
  ["octal", "0777", 511],
  ["octal_o", "0o777", 511],
  ["hex", "0x1F", 31],
  ["binary", "0b11", 3],
  ["thousand", "1_000", 1000],
  ["exponent", "1e3", 1000],
  ["time", "1:30", "1:30"],
  ["times", "12:30:45", "12:30:45"],
  ["date", "2001-12-14", "2001-12-14"],
  ["text", "!!str 123", "123"],
];

const custom = (name: string, spec: string) =>
  `apiVersion: substitution.example.com/v1\nkind: Loose\nmetadata:\n  name: ${name}\nspec:\n${spec}`;

beforeAll(async () => {
  workspace = await openWorkspace("substitution");
  repository = await workspace.repository({
    "zone/config.yaml": configMap("zone", { zone: "${zone}", other: "${other:=none}", escaped: "$${zone}" }),
    "unset/config.yaml": configMap("unset", { a: "${missing}" }),
    "empty/config.yaml": configMap("empty", { a: "x${e}" }),
    "switch/off.yaml": labelled("off", "disabled"),
    "switch/on.yaml": labelled("on", "Disabled"),
    "account/account.yaml": account("bare", "${id}"),
    "quoted/account.yaml": account("quoted", "${q}${id}${q}"),
    "quoted/account-str.yaml": account("str", "${str}"),
    "mustache/config.yaml": configMap("mustache", { a: "${{ secrets.x }}" }),
    "loose/crd.yaml": crd,
    "loose/object.yaml": custom("loose", scalars.map(([name]) => `  ${name}: "\${${name}}"\n`).join("")),
    "loose/empty.yaml": custom("emptied", "  label: ${nothing}\n  kept: 1\n"),
    "service/service.yaml": JSON.stringify({
      apiVersion: "v1",
      kind: "Service",
      metadata: { name: "limited" },
      spec: { ports: [{ port: 80, name: "${zone}" }] },
    }),
  });
  await workspace.gitRepository("source", repository.url);
  await workspace.create({ apiVersion: "v1", kind: "ConfigMap", metadata: { name: "first" }, data: { zone: "az-1a" } });
  await workspace.create({
    apiVersion: "v1",
    kind: "Secret",
    metadata: { name: "second" },
    stringData: { zone: "\naz-1b\n" },
  });
  await workspace.untilReady("GitRepository", "source");
});

afterAll(() => workspace?.close());

const crd = JSON.stringify({
  apiVersion: "apiextensions.k8s.io/v1",
  kind: "CustomResourceDefinition",
  metadata: {
    name: "looses.substitution.example.com",
    labels: { "kustomize.toolkit.fluxcd.io/substitute": "disabled" },
  },
  spec: {
    group: "substitution.example.com",
    scope: "Namespaced",
    names: { kind: "Loose", plural: "looses" },
    versions: [
      {
        name: "v1",
        served: true,
        storage: true,
        schema: {
          openAPIV3Schema: {
            type: "object",
            description: "Free text with ${{ braces }}",
            "x-kubernetes-preserve-unknown-fields": true,
          },
        },
      },
    ],
  },
});

function labelled(name: string, value: string): string {
  const metadata = { name, labels: { "kustomize.toolkit.fluxcd.io/substitute": value } };
  return JSON.stringify({ apiVersion: "v1", kind: "ConfigMap", metadata, data: { zone: "${zone}" } });
}

function account(name: string, id: string): string {
  return `apiVersion: v1\nkind: ServiceAccount\nmetadata:\n  name: ${name}\n  annotations:\n    id: "${id}"\n`;
}

const from = (...names: [kind: "ConfigMap" | "Secret", name: string, optional?: boolean][]) =>
  names.map(([kind, name, optional = false]) => ({ kind, name, optional }));

async function dataAfter(name: string, path: string, spec: Partial<KustomizationSpec>): Promise<unknown> {
  await workspace.kustomization(name, { path, namePrefix: `${name}-`, ...spec });
  await workspace.untilReady("Kustomization", name);
  return (await workspace.find("ConfigMap", `${name}-${path.slice(2)}`))?.data;
}

async function failureOf(name: string, path: string, spec: Partial<KustomizationSpec>): Promise<[string, string]> {
  await workspace.kustomization(name, { path, namePrefix: `${name}-`, ...spec });
  const { status } = await workspace.until("Kustomization", name, isFailed);
  const { reason = "", message = "" } = conditionOf(status, "Ready") ?? {};
  return [reason, message];
}

const isFailed = ({ status }: Reconciled) => conditionOf(status, "Ready")?.status === "False";

describe("variable substitution", () => {
  it("KS-110, KS-111: a later reference wins over an earlier one, what is inline over both, without line feeds", async () => {
    const references = from(["ConfigMap", "first"], ["Secret", "second"]);
    const data = { other: "none", escaped: "${zone}" };
    expect(await dataAfter("later", "./zone", { postBuild: { substituteFrom: references } })).toEqual({
      ...data,
      zone: "az-1b",
    });
    const reversed = from(["Secret", "second"], ["ConfigMap", "first"]);
    expect(await dataAfter("earlier", "./zone", { postBuild: { substituteFrom: reversed } })).toMatchObject({
      zone: "az-1a",
    });
    const inline = { substitute: { zone: "i\nn\n" }, substituteFrom: references };
    expect(await dataAfter("inline", "./zone", { postBuild: inline })).toMatchObject({ zone: "in" });
  });

  it("KS-110: references are read as Sluice, whoever the objects are applied as", async () => {
    const { namespace } = workspace;
    const rules = [{ apiGroups: [""], resources: ["services"], verbs: ["get", "list", "create", "patch", "delete"] }];
    const subject = { kind: "ServiceAccount", name: "limited", namespace };
    const apiVersion = "rbac.authorization.k8s.io/v1";
    const roleRef = { apiGroup: "rbac.authorization.k8s.io", kind: "Role", name: "limited" };
    await workspace.create({ apiVersion: "v1", kind: "ServiceAccount", metadata: { name: "limited" } });
    await createIn(`/apis/${apiVersion}/namespaces/${namespace}/roles`, {
      apiVersion,
      kind: "Role",
      metadata: { name: "limited" },
      rules,
    });
    await createIn(`/apis/${apiVersion}/namespaces/${namespace}/rolebindings`, {
      apiVersion,
      kind: "RoleBinding",
      metadata: { name: "limited" },
      subjects: [subject],
      roleRef,
    });
    const postBuild = { substituteFrom: from(["Secret", "second"]) };
    await workspace.kustomization("limited", { path: "./service", serviceAccountName: "limited", postBuild });
    await workspace.untilReady("Kustomization", "limited");
    expect((await workspace.find("Service", "limited"))?.spec.ports).toMatchObject([{ name: "az-1b" }]);
  });

  it("KS-110: what changed in a reference is applied at the next pass, without a new revision", async () => {
    await workspace.create({ apiVersion: "v1", kind: "ConfigMap", metadata: { name: "moving" }, data: { zone: "a" } });
    const postBuild = { substituteFrom: from(["ConfigMap", "moving"]) };
    expect(await dataAfter("moving", "./zone", { postBuild })).toMatchObject({ zone: "a" });
    await workspace.patch("ConfigMap", "moving", { data: { zone: "b" } });
    await workspace.reconcile("Kustomization", "moving");
    await workspace.until("ConfigMap", "moving-zone", (object) => Object(object.data).zone === "b");
  });

  it("KS-112: one variable with a bad name fails the build", async () => {
    await workspace.create({
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { name: "bad-key" },
      data: { "my-key": "x" },
    });
    expect(
      await failureOf("bad-key", "./zone", { postBuild: { substituteFrom: from(["ConfigMap", "bad-key"]) } }),
    ).toEqual([
      "BuildFailed",
      "post build failed for 'ConfigMap.v1.[noGrp]/bad-key-zone': envsubst error: 'my-key' var name is invalid, must match '^[_[:alpha:]][_[:alpha:][:digit:]]*$'",
    ]);
  });

  it("KS-113: a missing reference fails the build, unless it is optional", async () => {
    const missing = { postBuild: { substituteFrom: from(["ConfigMap", "missing"]) } };
    expect(await failureOf("missing", "./zone", missing)).toEqual([
      "BuildFailed",
      `post build failed for 'ConfigMap.v1.[noGrp]/missing-zone': substitute from 'ConfigMap/missing' error: configmaps "missing" not found`,
    ]);
    const optional = { substituteFrom: from(["Secret", "missing", true], ["ConfigMap", "first"]) };
    expect(await dataAfter("optional", "./zone", { postBuild: optional })).toMatchObject({ zone: "az-1a" });
    await workspace.create({ apiVersion: "v1", kind: "ConfigMap", metadata: { name: "missing" }, data: { zone: "c" } });
    await workspace.reconcile("Kustomization", "missing");
    await workspace.until("ConfigMap", "missing-zone", (object) => Object(object.data).zone === "c");
  });

  it("KS-114: a variable that is not set fails the build, one that is empty does not", async () => {
    const [reason, message] = await failureOf("unset", "./unset", { postBuild: { substitute: { e: "" } } });
    expect([reason, message]).toEqual([
      "BuildFailed",
      `post build failed for 'ConfigMap.v1.[noGrp]/unset-unset': envsubst error: variable substitution failed: variable not set (strict mode): "missing"`,
    ]);
    const warnings = (await workspace.events("Kustomization", "unset")).filter(({ type }) => type === "Warning");
    expect(warnings).toMatchObject([{ reason: "BuildFailed", message }]);
    expect(await dataAfter("empty", "./empty", { postBuild: { substitute: { e: "" } } })).toEqual({ a: "x" });
  });

  it("KS-115: without a variable nothing is substituted, unless always", async () => {
    const asWritten = { zone: "${zone}", other: "${other:=none}", escaped: "$${zone}" };
    expect(await dataAfter("without", "./zone", { postBuild: {} })).toEqual(asWritten);
    const absent = { substituteFrom: from(["ConfigMap", "absent", true]) };
    expect(await dataAfter("absent", "./zone", { postBuild: absent })).toEqual(asWritten);
    const always = { ...absent, substituteStrategy: "Always" as const };
    expect((await failureOf("always", "./zone", { postBuild: always }))[1]).toContain(`(strict mode): "zone"`);
  });

  it("KS-116: a label that says disabled, in lower case, skips an object", async () => {
    const postBuild = { substitute: { zone: "x" } };
    await workspace.kustomization("switch", { path: "./switch", postBuild });
    await workspace.untilReady("Kustomization", "switch");
    expect((await workspace.find("ConfigMap", "off"))?.data).toEqual({ zone: "${zone}" });
    expect((await workspace.find("ConfigMap", "on"))?.data).toEqual({ zone: "x" });
  });

  it("KS-117: quotes of the source are lost, those of a value are kept", async () => {
    const substitute = { id: "123", q: '"', str: "!!str 123" };
    const [reason, message] = await failureOf("account", "./account", { postBuild: { substitute } });
    expect([reason, message]).toEqual(["ReconciliationFailed", expect.stringContaining("ServiceAccount")]);
    expect(await workspace.find("ServiceAccount", "account-bare")).toBeUndefined();
    await workspace.kustomization("quoted", { path: "./quoted", postBuild: { substitute } });
    await workspace.untilReady("Kustomization", "quoted");
    for (const name of ["quoted", "str"])
      expect((await workspace.find("ServiceAccount", name))?.metadata.annotations).toMatchObject({ id: "123" });
  });

  it("KS-118, KS-119, KS-120: values are read as YAML 1.1, an empty one is null, and free text is skipped where a label says so", async () => {
    const substitute = Object.fromEntries([["nothing", ""], ...scalars.map(([name, value]) => [name, value])]);
    await workspace.kustomization("loose", { path: "./loose", postBuild: { substitute } });
    await workspace.untilReady("Kustomization", "loose");
    const objects = `/apis/substitution.example.com/v1/namespaces/${workspace.namespace}/looses`;
    const loose = await workspace.client.request<Reconciled>({ method: "GET", path: `${objects}/loose` });
    expect(loose.spec).toEqual(Object.fromEntries(scalars.map(([name, , read]) => [name, read])));
    const empty = await workspace.client.request<Reconciled>({ method: "GET", path: `${objects}/emptied` });
    expect(empty.spec).toEqual({ label: null, kept: 1 });
  });

  it("KS-120: what is no expression in free text fails the object", async () => {
    expect((await failureOf("mustache", "./mustache", { postBuild: { substitute: { a: "1" } } }))[1]).toBe(
      "post build failed for 'ConfigMap.v1.[noGrp]/mustache-mustache': envsubst error: variable substitution failed: unable to parse variable name",
    );
  });

  it("KS-105: the value of a Secret's variable is in no status, event or log of a build that fails for it", async () => {
    const value = "s3cret: of: variables";
    await workspace.create({
      apiVersion: "v1",
      kind: "Secret",
      metadata: { name: "leaky" },
      stringData: { e: value, zone: value },
    });
    const postBuild = { substituteFrom: from(["Secret", "leaky"]) };
    const [reason, message] = await failureOf("leaky", "./zone", { postBuild });
    expect([reason, message]).toEqual([
      "BuildFailed",
      "post build failed for 'ConfigMap.v1.[noGrp]/leaky-zone': envsubst error: YAMLToJSON: yaml: line 5: bad indentation of a mapping entry",
    ]);
    const told = JSON.stringify([
      await workspace.find("Kustomization", "leaky"),
      await workspace.events("Kustomization", "leaky"),
    ]);
    expect(told).not.toContain("of: variables");
  });
});

async function createIn(path: string, body: unknown): Promise<void> {
  await workspace.client.request({ method: "POST", path, body });
}
