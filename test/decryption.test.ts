import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { KustomizationSpec } from "../lib/api/kustomization.ts";
import type { GitRepository } from "../lib/host/git/repository.ts";
import { bedPart } from "./bed/bed.ts";
import { base64, encryptedFiles, ofData, secret } from "./bed/sops/encrypted-files.ts";
import { sopsPrograms } from "./bed/sops/sops.ts";
import { type AgePair, openSopsWorkshop, type SopsType, type SopsWorkshop } from "./bed/sops/workshop.ts";
import { conditionOf, openWorkspace, type Reconciled, type Workspace } from "./bed/workspace.ts";

let workspace: Workspace;
let repository: GitRepository;
let workshop: SopsWorkshop;
let keys: AgePair;

const decryption = { provider: "sops", secretRef: { name: "keys" } } as const;

beforeAll(async () => {
  workshop = await openSopsWorkshop(await sopsPrograms(() => undefined));
  keys = await workshop.ageKey();
  workspace = await openWorkspace("decryption");
  repository = await workspace.repository(await encryptedFiles(encrypt));
  await workspace.gitRepository("source", repository.url);
  await keysOf("keys", { "age.agekey": keys.identity, unknown: "ignored" });
  await workspace.untilReady("GitRepository", "source");
}, 600_000);

afterAll(async () => {
  await workspace?.close();
  await workshop?.close();
});

const types: Record<string, SopsType> = { yaml: "yaml", json: "json", env: "dotenv", ini: "ini" };

/** Encrypts a text, in the format that its name stands for. */
async function encrypt(
  fileName: string,
  text: string,
  args: string[] = [],
  recipient = keys.recipient,
): Promise<string> {
  const type = types[fileName.slice(fileName.lastIndexOf(".") + 1)] ?? "binary";
  return (await workshop.encrypt(text, type, ["--age", recipient, ...args])).toString();
}

async function keysOf(name: string, stringData: Record<string, string>): Promise<void> {
  await workspace.create({ apiVersion: "v1", kind: "Secret", metadata: { name }, stringData });
}

/** The data of a Secret in the cluster, as text. */
async function clearOf(name: string): Promise<Record<string, string>> {
  const data: Record<string, string> = Object((await workspace.find("Secret", name))?.data);
  return Object.fromEntries(Object.entries(data).map(([key, value]) => [key, Buffer.from(value, "base64").toString()]));
}

async function applied(name: string, path: string, spec: Partial<KustomizationSpec> = {}): Promise<Reconciled> {
  await workspace.kustomization(name, { path, decryption, ...spec });
  return workspace.untilReady("Kustomization", name);
}

async function failureOf(name: string, path: string, spec: Partial<KustomizationSpec>): Promise<[string, string]> {
  await workspace.kustomization(name, { path, ...spec });
  const { status } = await workspace.until(
    "Kustomization",
    name,
    (object) => conditionOf(object.status, "Ready")?.status === "False",
  );
  const { reason = "", message = "" } = conditionOf(status, "Ready") ?? {};
  return [reason, message];
}

/** Commits and waits until the source offers what came of it. */
async function offer(files: Record<string, string>): Promise<string> {
  const revision = `main@sha1:${await repository.commit(files)}`;
  await workspace.reconcile("GitRepository", "source");
  await workspace.until("GitRepository", "source", ({ status }) => status?.artifact?.revision === revision);
  return revision;
}

/** Commits and waits until the Kustomization has applied what came of it. */
async function follow(name: string, files: Record<string, string>): Promise<Reconciled> {
  const revision = await offer(files);
  return workspace.until(
    "Kustomization",
    name,
    ({ status }) => status?.lastAppliedRevision === revision && conditionOf(status, "Ready") !== undefined,
  );
}

const messagesOf = async (name: string) =>
  (await workspace.events("Kustomization", name)).map((event) => event.message);

describe("decryption", () => {
  it("KS-090, KS-096: objects of any kind are decrypted as a whole, after the build has changed them", async () => {
    await applied("whole", "./whole");
    expect(await clearOf("whole")).toEqual({ password: "clear-1" });
    expect((await workspace.find("ConfigMap", "whole"))?.data).toEqual({ setting: "clear-2" });
    const live = await workspace.find("Secret", "whole");
    expect(live?.metadata.labels).toMatchObject({ patched: "yes" });
    expect(live).not.toHaveProperty("sops");
  });

  it("KS-090: an object is decrypted before variables are put into it", async () => {
    await applied("variables", "./variables", { postBuild: { substitute: { scheme: "https" } } });
    expect(await clearOf("variables")).toEqual({ url: "https://x" });
  });

  it("KS-091: an encrypted Secret without spec.decryption is not applied", async () => {
    const { decryption: _none, ...spec } = { decryption, targetNamespace: workspace.namespace, namePrefix: "un-" };
    expect(await failureOf("undecrypted", "./whole", spec)).toEqual([
      "ReconciliationFailed",
      expect.stringContaining(
        `Secret/${workspace.namespace}/un-whole is SOPS encrypted, configuring decryption is required for this secret to be reconciled`,
      ),
    ]);
    expect(await workspace.find("ConfigMap", "un-whole")).toBeUndefined();
  });

  it("KS-092: an annotation leaves an object encrypted", async () => {
    for (const [name, spec] of [["left", {}] as const, ["left-too", { decryption }] as const]) {
      await workspace.kustomization(name, { path: "./left", namePrefix: `${name}-`, ...spec });
      const { status } = await workspace.untilReady("Kustomization", name);
      expect(conditionOf(status, "Ready")?.reason).toBe("ReconciliationSucceeded");
      expect((await clearOf(`${name}-left`)).password).toMatch(/^ENC\[AES256_GCM,/);
    }
  });

  it("KS-093: values of a Secret that are encrypted files are decrypted, each in the format of its key", async () => {
    await applied("marked", "./marked");
    const { "config.json": json = "", ".dockerconfigjson": docker = "", ...data } = await clearOf("marked");
    expect(JSON.parse(json)).toEqual({ a: "clear-4" });
    expect(JSON.parse(docker)).toEqual({ auths: {} });
    expect(data).toEqual({
      token: "clear-3",
      "values.yaml": "a: clear-5\n",
      "app.env": "A=clear-6\n",
      plain: "as it is",
    });
  });

  it("KS-094: what Secrets and patches are generated from is decrypted before the build", async () => {
    await applied("sources", "./sources");
    const { "app.ini": ini = "", ...generated } = await clearOf("generated");
    expect(generated).toEqual({ "token.encrypted": "clear-8", B: "clear-11" });
    expect(ini).toMatch(/\[main\]\s*A\s*= clear-10/);
    expect(await clearOf("of-component")).toEqual({ key: "clear-12" });
    expect((await workspace.find("ConfigMap", "patched"))?.data).toEqual({ before: "1", after: "clear-7" });
    const published = await workspace.find("ConfigMap", "public");
    expect(JSON.stringify(published?.data)).not.toContain("clear-9");
  });

  it("KS-095: a file of 6 MiB and a second kustomization file fail the build", async () => {
    const [reason, message] = await failureOf("big", "./big", { decryption });
    expect(reason).toBe("BuildFailed");
    expect(message).toMatch(
      /^error decrypting sources: cannot decrypt file with size \(\d+ bytes\) exceeding limit \(5242880\)$/,
    );
    expect(await failureOf("two", "./two", { decryption })).toEqual([
      "BuildFailed",
      "error decrypting sources: found multiple kustomization files",
    ]);
  });

  it("KS-096, KS-097: post-quantum identities decrypt, several in one entry and beside comments", async () => {
    const quantum = await workshop.ageKey("pq");
    const other = await workshop.ageKey();
    await keysOf("quantum-keys", { "both.agekey": `# comment\n${other.identity}\n${quantum.identity}` });
    const files = {
      "quantum/secret.yaml": await encrypt("s.yaml", secret("quantum", { a: "b" }), ofData, quantum.recipient),
    };
    await offer(files);
    await workspace.kustomization("quantum", {
      path: "./quantum",
      decryption: { provider: "sops", secretRef: { name: "quantum-keys" } },
    });
    await workspace.untilReady("Kustomization", "quantum");
    expect(await clearOf("quantum")).toEqual({ a: "b" });
  });

  it("KS-098: a Secret that is missing or holds a bad key fails the build", async () => {
    const missing = { provider: "sops", secretRef: { name: "missing" } } as const;
    expect(await failureOf("missing", "./whole", { decryption: missing, namePrefix: "m-" })).toEqual([
      "BuildFailed",
      'secrets "missing" not found',
    ]);
    await keysOf("bad", { "bad.agekey": "AGE-SECRET-KEY-1s3cret" });
    const bad = { provider: "sops", secretRef: { name: "bad" } } as const;
    const [reason, message] = await failureOf("bad", "./whole", { decryption: bad, namePrefix: "b-" });
    expect(reason).toBe("BuildFailed");
    expect(message).toContain(
      `failed to import 'bad.agekey' data from sops decryption Secret '${workspace.namespace}/bad': `,
    );
    expect(message).not.toContain("s3cret");
    await keysOf("missing", { "age.agekey": keys.identity });
    await workspace.reconcile("Kustomization", "missing");
    await workspace.untilReady("Kustomization", "missing");
  });

  it("KS-102: a ServiceAccount to decrypt as needs its gate", async () => {
    const named = { ...decryption, serviceAccountName: "nobody" };
    const message =
      "to use spec.decryption.serviceAccountName for decryption authentication please enable the ObjectLevelWorkloadIdentity feature gate in the controller";
    expect(await failureOf("gated", "./whole", { decryption: named, namePrefix: "g-" })).toEqual([
      "FeatureGateDisabled",
      message,
    ]);
    const { status } = await workspace.until(
      "Kustomization",
      "gated",
      (object) => conditionOf(object.status, "Stalled")?.status === "True",
    );
    expect(conditionOf(status, "Stalled")).toMatchObject({ reason: "FeatureGateDisabled", message });
    expect(status?.observedGeneration ?? -1).toBe(-1);
    expect(await workspace.events("Kustomization", "gated")).toMatchObject([
      { type: "Warning", reason: "FeatureGateDisabled", message },
    ]);
  });

  it("KS-106, KS-107: the same Secret encrypted anew is no change, another content is one, named and not shown", async () => {
    const file = "again/secret.yaml";
    const content = (value: string) => encrypt("secret.yaml", secret("again", { password: value }), ofData);
    await offer({ [file]: await content("clear-20") });
    await workspace.kustomization("again", { path: "./again", decryption });
    await workspace.untilReady("Kustomization", "again");
    const before = await workspace.find("Secret", "again");
    const told = (await messagesOf("again")).length;
    await follow("again", { [file]: await content("clear-20") });
    const finished = expect.stringMatching(/^Reconciliation finished in /);
    await expect.poll(async () => (await messagesOf("again")).slice(told)).toEqual([finished]);
    expect((await workspace.find("Secret", "again"))?.metadata.resourceVersion).toBe(before?.metadata.resourceVersion);

    await follow("again", { [file]: await content("clear-21") });
    const configured = `Secret/${workspace.namespace}/again configured`;
    await expect.poll(async () => (await messagesOf("again")).slice(told)).toEqual([finished, configured, finished]);
    expect(await clearOf("again")).toEqual({ password: "clear-21" });
  });

  it("KS-105: ciphertext that was tampered with fails without showing a value", async () => {
    const text = await encrypt("secret.yaml", secret("corrupt", { one: "clear-30", two: "clear-31" }), ofData);
    const corrupt = text.replace(/(two: ENC\[AES256_GCM,data:)[^,]{4}/, "$1AAAA");
    const unmarked = text.replace(/two: ENC\[.*\]/, "two: s3cret-in-the-wrong-place");
    expect(corrupt).not.toBe(text);
    const files = { "corrupt/a.yaml": corrupt, "unmarked/a.yaml": unmarked };
    await offer(files);
    for (const name of ["corrupt", "unmarked"]) {
      await workspace.kustomization(name, { path: `./${name}`, decryption });
      const { status } = await workspace.until("Kustomization", name, (object) =>
        (conditionOf(object.status, "Ready")?.message ?? "").includes("error decrypting sops tree"),
      );
      const message = conditionOf(status, "Ready")?.message;
      expect(message).toContain(`decryption failed for 'Secret.v1.[noGrp]/corrupt': failed to decrypt and format`);
      expect(message).not.toContain("s3cret");
    }
  });

  it("KS-105: nothing that was decrypted is in a status, an event, the log, a stored artifact or a record", async () => {
    const { artifacts, logFile } = await bedPart("sluice");
    const statuses = await workspace.client.request({
      method: "GET",
      path: `/apis/kustomize.toolkit.fluxcd.io/v1/namespaces/${workspace.namespace}/kustomizations`,
    });
    const events = await workspace.client.request({
      method: "GET",
      path: `/api/v1/namespaces/${workspace.namespace}/events`,
    });
    const stored = await textsBelow(join(artifacts, "..", ".."));
    const log = await readFile(logFile, "latin1");
    // What is looked for is there, encrypted: the artifact, and the record of what was applied.
    expect(stored.filter((text) => text.includes("ENC[AES256_GCM"))).not.toEqual([]);
    expect(stored.filter((text) => text.includes(`${workspace.namespace}_again__Secret`))).not.toEqual([]);
    const values = [
      ...Array.from({ length: 14 }, (_, index) => `clear-${index + 1}`),
      "clear-20",
      "clear-21",
      "clear-30",
    ];
    const patterns = values.flatMap((value) => [value, base64(value).replace(/=+$/, "")]);
    for (const text of [JSON.stringify(statuses), JSON.stringify(events), log, ...stored])
      expect(patterns.filter((pattern) => text.includes(pattern))).toEqual([]);
  });
});

/** The content of every file below a directory, archives inflated. */
async function textsBelow(directory: string): Promise<string[]> {
  const { gunzipSync } = await import("node:zlib");
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile());
  return Promise.all(
    files.map(async ({ parentPath, name }) => {
      const content = await readFile(join(parentPath, name));
      return (content[0] === 0x1f && content[1] === 0x8b ? gunzipSync(content) : content).toString("latin1");
    }),
  );
}
