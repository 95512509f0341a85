import { appendFile, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { generateKey } from "openpgp";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import type { KustomizationSpec } from "../lib/api/kustomization.ts";
import type { KubernetesObject } from "../lib/api/object.ts";
import { createObject, findObject, patchObject } from "../lib/cluster/objects.ts";
import { createCertificateAuthority, issueCertificate } from "../lib/platform/local/certificate.ts";
import { bedCluster, bedPart } from "./bed/bed.ts";
import { type GitServer, startGitServer } from "./bed/git/git-server.ts";
import { connectTo } from "./bed/installed.ts";
import { createKey, statementsOfRole } from "./bed/localstack/call.ts";
import { type DeployedSluice, deploySluice } from "./bed/localstack/deployment.ts";
import type { BedAws, BedCluster } from "./bed/parts.ts";
import { type AgePair, openSopsWorkshop, type SopsType, type SopsWorkshop } from "./bed/sops/workshop.ts";
import { apiVersions, conditionOf, configMap, openWorkspace, type Workspace } from "./bed/workspace.ts";

let directory: string;
let aws: BedAws;
let sluice: DeployedSluice;
let workspace: Workspace;
let workshop: SopsWorkshop;
let bases: GitServer;
let remote: BedCluster;
let keyArn: string;

const stack = "kustomizations";
/** Stands for a role of another account; LocalStack gives credentials of any. */
const otherRole = "arn:aws:iam::111122223333:role/sops";
/** Seconds. All begin at once, on a machine that starts their Node processes too. */
const patience = 60;
const soon = 10;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "sluice-deployed-"));
  aws = await bedPart("localstack");
  for (const [name, value] of Object.entries(aws.env)) vi.stubEnv(name, value);
  workshop = await openSopsWorkshop(await bedPart("sops"));
  remote = await bedCluster();
  // The functions trust it from their start on.
  const authority = createCertificateAuthority("remote bases of a deployment");
  await appendFile(aws.authorities, `${authority.certificate}\n`);
  const tls = issueCertificate(authority, { names: ["127.0.0.1"] });
  bases = await startGitServer({ directory: join(directory, "bases"), tls });
  keyArn = await createKey(aws);
  const settings = { decryption: { keys: [keyArn], roles: [otherRole] } };
  sluice = await deploySluice(aws, {
    name: stack,
    directory,
    clusters: 1,
    settings,
    log: (line) => console.warn(line),
  });
  const [cluster] = sluice.clusters;
  if (cluster === undefined) throw new Error("the cluster is missing");
  workspace = await openWorkspace("deployed", { sluice: cluster });
  await createEverything();
}, 600_000);

afterAll(async () => {
  await workspace?.close();
  await sluice?.stop();
  await bases?.stop();
  await workshop?.close();
  vi.unstubAllEnvs();
  await rm(directory, { recursive: true, force: true, maxRetries: 3 });
});

function secret(name: string, password: string): string {
  return JSON.stringify({ apiVersion: "v1", kind: "Secret", metadata: { name }, stringData: { password } });
}

/** A Secret that SOPS has encrypted for these recipients. */
async function encrypted(name: string, ...recipients: string[]): Promise<string> {
  const args = [...recipients, "--encrypted-regex", "^(data|stringData)$"];
  return (await workshop.encrypt(secret(name, `of ${name}`), "json", args, undefined, aws.env)).toString();
}

/** A value of a Secret's data that is a SOPS file itself. */
async function value(text: string, type: SopsType, { recipient }: AgePair): Promise<string> {
  return (await workshop.encrypt(text, type, ["--age", recipient])).toString("base64");
}

const decryption = { provider: "sops", secretRef: { name: "keys" } } as const;
const done = { apiVersion: "v1", kind: "ConfigMap", current: "data.phase == 'done'" };
const labels = { "app/version": "v1" };

/** What each Kustomization is told besides its path, which has its name. */
const specs: Record<string, Partial<KustomizationSpec>> = {
  age: { decryption },
  pgp: { decryption },
  kms: { decryption: { provider: "sops" } },
  "other-role": { decryption: { provider: "sops" } },
  account: { decryption: { provider: "sops", serviceAccountName: "reader" } },
  formats: { decryption, ignore: [{ paths: ["/metadata/annotations/mine"], target: { name: "form(at)?s" } }] },
  generated: { decryption },
  substituted: { postBuild: { substituteFrom: [{ kind: "ConfigMap", name: "settings" }] } },
  base: {},
  healthy: { wait: true, healthCheckExprs: [done] },
  unhealthy: { wait: true, healthCheckExprs: [{ ...done, failed: "data.phase == 'lost'" }] },
  dependent: {
    dependsOn: [
      { name: "age", readyExpr: "dep.metadata.labels['app/version'] == self.metadata.labels['app/version']" },
    ],
  },
  away: { kubeConfig: { secretRef: { name: "kubeconfig" } } },
};

/** One repository and all Kustomizations of it, at once: what a cluster of some age looks like to a deployment of today. */
async function createEverything(): Promise<void> {
  const { namespace, client } = workspace;
  const age = await workshop.ageKey();
  const quantum = await workshop.ageKey("pq");
  const pgp = await generateKey({ userIDs: [{ name: "sluice" }], format: "object" });
  await workshop.setPublicKeyring(pgp.publicKey.write());
  const base = await bases.repository("base");
  await base.commit({
    "base/config.yaml": configMap("from-afar", { colour: "blue" }),
    "base/kustomization.yaml": JSON.stringify({ resources: ["config.yaml"] }),
  });
  const repository = await workspace.repository({
    "age/secret.yaml": await encrypted("age", "--age", age.recipient),
    "pgp/secret.yaml": await encrypted("pgp", "--pgp", pgp.publicKey.getFingerprint().toUpperCase()),
    "kms/secret.yaml": await encrypted("kms", "--kms", keyArn),
    "other-role/secret.yaml": await encrypted("other-role", "--kms", `${keyArn}+${otherRole}`),
    "account/secret.yaml": await encrypted("account", "--kms", keyArn),
    "formats/secret.yaml": JSON.stringify({
      apiVersion: "v1",
      kind: "Secret",
      metadata: { name: "formats" },
      data: {
        "a.env": await value("A=1\n", "dotenv", quantum),
        "a.ini": await value("[a]\nb = 2\n", "ini", quantum),
        "a.json": await value(`{"a": 3}`, "json", quantum),
        "a.yaml": await value("a: 4\n", "yaml", quantum),
        other: await value("5", "binary", quantum),
      },
    }),
    "generated/kustomization.yaml": JSON.stringify({
      secretGenerator: [{ name: "generated", files: ["token"] }],
      configMapGenerator: [{ name: "generated", literals: ["a=b"] }],
    }),
    "generated/token": await workshop.encrypt("open sesame", "binary", ["--age", age.recipient]).then(String),
    "substituted/config.yaml": configMap("substituted", { zone: `\${zone}` }),
    "base/kustomization.yaml": JSON.stringify({ resources: [`${base.url}//base?ref=main`], namePrefix: "my-" }),
    "healthy/config.yaml": configMap("healthy", { phase: "done" }),
    "unhealthy/config.yaml": configMap("unhealthy", { phase: "lost" }),
    "dependent/config.yaml": configMap("dependent", {}),
    "away/config.yaml": configMap("away", { colour: "blue" }),
  });
  // Whoever may use the identity of a service account is the operator's to allow.
  const args = [{ op: "add", path: "/spec/template/spec/containers/0/args/-" } as const].map((operation) => ({
    ...operation,
    value: "--feature-gates=ObjectLevelWorkloadIdentity=true",
  }));
  const placeholder = { apiVersion: "apps/v1", kind: "Deployment", namespace: "flux-system" };
  await patchObject(client, { ...placeholder, name: "kustomize-controller" }, { json: args }, { fieldManager: "team" });

  const make = (kind: "Secret" | "ConfigMap" | "ServiceAccount", metadata: KubernetesObject["metadata"], rest = {}) =>
    workspace.create({ apiVersion: apiVersions[kind], kind, metadata, ...rest });
  const keys = { "age.agekey": `${age.identity}\n${quantum.identity}`, "pgp.asc": pgp.privateKey.armor() };
  await make("Secret", { name: "keys" }, { stringData: keys });
  await make("Secret", { name: "kubeconfig" }, { stringData: { value: remote.kubeconfig } });
  const watched = { "reconcile.fluxcd.io/watch": "Enabled" };
  await make("ConfigMap", { name: "settings", labels: watched }, { data: { zone: "a" } });
  const annotations = { "eks.amazonaws.com/role-arn": "arn:aws:iam::000000000000:role/reader" };
  await make("ServiceAccount", { name: "reader", annotations });
  const home = { apiVersion: "v1", kind: "Namespace", metadata: { name: namespace } };
  await createObject(connectTo(remote), home);
  await workspace.gitRepository("source", repository.url);
  for (const [name, spec] of Object.entries(specs)) {
    await workspace.create({
      apiVersion: apiVersions.Kustomization,
      kind: "Kustomization",
      metadata: { name, labels },
      spec: {
        interval: "1h",
        retryInterval: "5s",
        prune: true,
        path: `./${name}`,
        targetNamespace: namespace,
        sourceRef: { kind: "GitRepository", name: "source" },
        ...spec,
      },
    });
  }
}

/** Waits for the Kustomization; resolves with the values of what it has applied. */
async function applied(name: string, kind: "Secret" | "ConfigMap"): Promise<Record<string, string>> {
  const { status } = await workspace.untilReady("Kustomization", name, patience);
  const [, id = ""] =
    (status?.inventory?.entries ?? [])
      .map((entry) => entry.id)
      .find((each) => each.endsWith(`_${kind}`))
      ?.split("_") ?? [];
  const data: Record<string, string> = Object((await workspace.find(kind, id))?.data);
  const values = Object.entries(data).map(([key, value]) => [
    key,
    kind === "Secret" ? Buffer.from(value, "base64").toString() : value,
  ]);
  return { name: id, ...Object.fromEntries(values) };
}

describe("Kustomizations on AWS", { timeout: 90_000 }, () => {
  it("KS-090, KS-096: what is encrypted for age and for PGP, whose program is a file of its own, is decrypted", async () => {
    expect(await applied("age", "Secret")).toEqual({ name: "age", password: "of age" });
    expect(await applied("pgp", "Secret")).toEqual({ name: "pgp", password: "of pgp" });
  });

  it("KS-093, KS-097: values in each of SOPS's formats are decrypted with a post-quantum key; the pattern of an ignore rule is read", async () => {
    expect(await applied("formats", "Secret")).toEqual({
      name: "formats",
      "a.env": "A=1\n",
      "a.ini": "[a]\nb = 2\n",
      "a.json": expect.stringMatching(/^\{\s*"a": 3\s*\}\s*$/),
      "a.yaml": "a: 4\n",
      other: "5",
    });
  });

  it("KS-100: the function's own role decrypts with the keys of the setting, and as its roles", async () => {
    expect(await applied("kms", "Secret")).toEqual({ name: "kms", password: "of kms" });
    expect(await applied("other-role", "Secret")).toEqual({ name: "other-role", password: "of other-role" });
    // LocalStack refuses nobody anything: what AWS would allow is in the role.
    const statements = await statementsOfRole(aws, `${stack}-apply-${aws.region}`);
    expect(statements.filter(({ Action }) => /kms:|sts:/.test(JSON.stringify(Action)))).toEqual([
      expect.objectContaining({ Action: "kms:Decrypt", Resource: keyArn }),
      expect.objectContaining({ Action: "sts:AssumeRole", Resource: otherRole }),
    ]);
    const others = await statementsOfRole(aws, `${stack}-source-${aws.region}`);
    expect(JSON.stringify(others)).not.toMatch(/kms:|sts:/);
  });

  it("KS-103: a service account's role decrypts", async () => {
    expect(await applied("account", "Secret")).toEqual({ name: "account", password: "of account" });
  });

  it("KS-094: a generator is the real kustomize's, and what it reads is decrypted", async () => {
    const { name, token } = await applied("generated", "Secret");
    expect(token).toBe("open sesame");
    expect(name).toMatch(/^generated-[a-z0-9]{10}$/);
    expect(await applied("generated", "ConfigMap")).toEqual({
      name: expect.stringMatching(/^generated-[a-z0-9]{10}$/),
      a: "b",
    });
  });

  it("KS-071: a remote base is fetched over HTTPS", async () => {
    expect(await applied("base", "ConfigMap")).toEqual({ name: "my-from-afar", colour: "blue" });
  });

  it("KS-009, KS-110: variables come from a ConfigMap, whose change is told by the API server's own call", async () => {
    expect(await applied("substituted", "ConfigMap")).toMatchObject({ zone: "a" });
    await workspace.patch("ConfigMap", "settings", { data: { zone: "b" } });
    await workspace.until("ConfigMap", "substituted", ({ data }) => Object(data).zone === "b", soon);
  });

  it("KS-042, KS-201: expressions decide who is ready, and what is healthy", async () => {
    await workspace.untilReady("Kustomization", "dependent", patience);
    const { status } = await workspace.untilReady("Kustomization", "healthy", patience);
    expect(conditionOf(status, "Healthy")).toMatchObject({ status: "True", reason: "Succeeded" });
    await workspace.until(
      "Kustomization",
      "unhealthy",
      (object) => conditionOf(object.status, "Ready")?.reason === "HealthCheckFailed",
      patience,
    );
  });

  it("KS-211: another cluster is applied to by a kubeconfig", async () => {
    await workspace.untilReady("Kustomization", "away", patience);
    const { namespace } = workspace;
    const reference = { apiVersion: "v1", kind: "ConfigMap", namespace, name: "away" };
    expect(await findObject(connectTo(remote), reference)).toMatchObject({ data: { colour: "blue" } });
    expect(await workspace.find("ConfigMap", "away")).toBeUndefined();
  });
});
