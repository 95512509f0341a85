import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { KubernetesObject } from "../lib/api/object.ts";
import { createObject, findObject, patchObject } from "../lib/cluster/objects.ts";
import { uniqueName } from "./bed/bed.ts";
import { type ChatService, startChatService } from "./bed/chat-service.ts";
import { sopsPrograms } from "./bed/sops/sops.ts";
import { type AgePair, openSopsWorkshop, type SopsWorkshop } from "./bed/sops/workshop.ts";
import { messageOf } from "./bed/sources.ts";
import { openTenants, type Team, type Tenants } from "./bed/tenants.ts";
import { apiVersions, conditionOf, configMap, type Reconciled } from "./bed/workspace.ts";

const canary = uniqueName("c4n4ry");
let tenants: Tenants;
let a: Team;
let b: Team;
let workshop: SopsWorkshop;

beforeAll(async () => {
  workshop = await openSopsWorkshop(await sopsPrograms(() => undefined));
  tenants = await openTenants();
  ({ a, b } = tenants);
  await a.push({ "app.yaml": configMap("app", { of: "a" }) });
  await b.push({ "app.yaml": configMap("app", { of: "b" }) });
}, 600_000);

afterAll(async () => {
  await tenants?.close();
  await workshop?.close();
}, 60_000);

const readyOf = ({ status }: Reconciled) => conditionOf(status, "Ready")?.status;
const kustomization = (namespace: string, name = "deploy") => ({
  apiVersion: apiVersions.Kustomization,
  kind: "Kustomization",
  namespace,
  name,
});

describe("owner labels", () => {
  const labels = (namespace: string, name: string) => ({
    "kustomize.toolkit.fluxcd.io/namespace": namespace,
    "kustomize.toolkit.fluxcd.io/name": name,
  });

  it("KS-173: an object that claims another's owner is neither pruned nor taken, and nothing goes round", async () => {
    const object = { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "claimed", namespace: "team-b" } };
    await createObject(b.client, { ...object, metadata: { ...object.metadata, labels: labels("team-a", "deploy") } });
    const files = await b.source({ "a.yaml": configMap("wearing", {}), "b.yaml": configMap("wearing-too", {}) });
    const commonMetadata = { labels: labels("team-a", "deploy") };
    const ready = await b.attempt({ sourceRef: files, targetNamespace: "team-b", commonMetadata });
    expect(readyOf(ready)).toBe("True");
    await a.push({ "more.yaml": configMap("more", {}) });
    await a.push({ "more.yaml": null });
    await a.untilGone("ConfigMap", "more");
    for (const name of ["claimed", "wearing", "wearing-too"]) expect(await b.find("ConfigMap", name)).toBeDefined();

    // A change of what claims an owner is no business of the one that it names.
    const told = async () => {
      const events = [await a.events("Kustomization", "deploy"), await b.events("Kustomization", ready.metadata.name)];
      return events.map(({ length }) => length);
    };
    const [ofA = 0, ofB = 0] = await told();
    await b.patch("ConfigMap", "claimed", { data: { one: "1" } });
    await b.patch("ConfigMap", "wearing", { data: { one: "1" } });
    // What goes round does so several times a second; what was before may still come in.
    await sleep(5000);
    const [thenA = 0, thenB = 0] = await told();
    expect(thenA - ofA).toBeLessThanOrEqual(2);
    expect(thenB - ofB).toBeLessThanOrEqual(2);
    expect((await b.find("ConfigMap", "claimed"))?.data).toEqual({ one: "1" });
  }, 60_000);

  it("KS-173, KS-210: what a forged inventory names is pruned by the tenant's own rights, and by its owner", async () => {
    const sourceRef = await b.source({ "app/a.yaml": configMap("one", {}), "other/a.yaml": configMap("two", {}) });
    const { name } = (await b.attempt({ sourceRef, targetNamespace: "team-b", path: "./app" })).metadata;
    // A pass that finds nothing to do would put the inventory right again.
    await b.patch("Kustomization", name, { spec: { suspend: true } });
    const metadata = { name: "precious", labels: labels("team-b", name) };
    for (const kind of ["ConfigMap", "Secret"]) await a.create({ apiVersion: "v1", kind, metadata });
    const ids = [
      "team-a_precious__ConfigMap",
      "team-a_app__ConfigMap",
      "team-a_precious__Secret",
      "_team-a__Namespace",
      "team-a___ConfigMap",
    ];
    const merge = { status: { inventory: { entries: ids.map((id) => ({ id, v: "v1" })) } } };
    const options = { fieldManager: "attacker", subresource: "status" };
    await patchObject(b.client, kustomization("team-b", name), { merge }, options);
    await b.patch("Kustomization", name, { spec: { suspend: false, path: "./other" } });
    const failed = await b.until("Kustomization", name, (object) => readyOf(object) === "False");
    expect(conditionOf(failed.status, "Ready")?.reason).toBe("PruneFailed");
    expect(messageOf(failed)).toContain('User "system:serviceaccount:team-b:team-b" cannot');
    expect(messageOf(failed)).toContain("resource name may not be empty");
    for (const kept of ["precious", "app"]) expect(await a.find("ConfigMap", kept)).toBeDefined();
    expect(await a.find("Secret", "precious")).toBeDefined();
    expect((await a.find("Namespace", "team-a"))?.metadata.deletionTimestamp).toBeUndefined();
  });
});

describe("a deletion", () => {
  it("KS-173, KS-178, KS-210: takes what is the tenant's own, whatever its inventory was made to say", async () => {
    const sourceRef = await b.source({ "a.yaml": configMap("leaving", {}) });
    const { name, namespace } = (await b.attempt({ sourceRef, targetNamespace: "team-b" })).metadata;
    await b.patch("Kustomization", name, { spec: { suspend: true } });
    const ids = ["nonsense", "", "team-b_leaving__ConfigMap"];
    const merge = { status: { inventory: { entries: ids.map((id) => ({ id, v: "v1" })) } } };
    const options = { fieldManager: "attacker", subresource: "status" };
    await patchObject(b.client, kustomization("team-b", name), { merge }, options);
    await b.patch("Kustomization", name, { spec: { suspend: false, deletionPolicy: "Delete" } });
    // A pass takes no notice of it either.
    await b.untilReady("Kustomization", name);
    await patchObject(b.client, kustomization("team-b", name), { merge }, options);
    const path = `/apis/${apiVersions.Kustomization}/namespaces/${namespace}/kustomizations/${name}`;
    await b.client.request({ method: "DELETE", path });
    await b.untilGone("Kustomization", name);
    await b.untilGone("ConfigMap", "leaving");
  }, 60_000);
});

describe("events", () => {
  let chat: ChatService;
  afterAll(() => chat?.close());

  it("AL-010, MT-004: an Alert hears of its own namespace alone", async () => {
    chat = await startChatService();
    const spec = { type: "generic", address: chat.url };
    await b.create({
      apiVersion: apiVersions.Provider,
      kind: "Provider",
      metadata: { name: "ear" },
      spec,
    } as KubernetesObject);
    const eventSources = ["team-a", "team-b"].map((namespace) => ({ kind: "Kustomization", name: "*", namespace }));
    const alert = { providerRef: { name: "ear" }, eventSources };
    await b.create({
      apiVersion: apiVersions.Alert,
      kind: "Alert",
      metadata: { name: "ear" },
      spec: alert,
    } as KubernetesObject);
    await a.push({ "loud.yaml": configMap("loud", {}) });
    await b.push({ "loud.yaml": configMap("loud", {}) });
    const heard = () => chat.posted.map(({ body }): string => JSON.parse(body).involvedObject.namespace);
    await expect.poll(heard, { timeout: 30_000 }).toContain("team-b");
    expect(heard()).not.toContain("team-a");
  }, 60_000);
});

describe("keys", () => {
  const keys: { a: AgePair; b: AgePair; operator: AgePair } = { a: none(), b: none(), operator: none() };

  beforeAll(async () => {
    for (const owner of ["a", "b", "operator"] as const) keys[owner] = await workshop.ageKey();
    await keysOf(a, "team-a-keys", keys.a);
    await keysOf(b, "team-b-keys", keys.b);
  });

  function none(): AgePair {
    return { identity: "", recipient: "" };
  }

  function keysOf(team: Team, name: string, { identity }: AgePair): Promise<unknown> {
    const secret = { apiVersion: "v1", kind: "Secret", metadata: { name }, stringData: { "a.agekey": identity } };
    return team.create(secret as KubernetesObject);
  }

  async function encrypted(name: string, { recipient }: AgePair) {
    const secret = { apiVersion: "v1", kind: "Secret", metadata: { name }, stringData: { password: canary } };
    const args = ["--age", recipient, "--encrypted-regex", "^(data|stringData)$"];
    return b.source({ "a.yaml": (await workshop.encrypt(JSON.stringify(secret), "yaml", args)).toString() });
  }

  it("KS-096, KS-098: another team's file is not decrypted, whatever Secret is named", async () => {
    const sourceRef = await encrypted("of-a", keys.a);
    for (const [secretRef, words] of [
      [{ name: "team-a-keys" }, /team-a-keys" not found/],
      [{ name: "team-a-keys", namespace: "team-a" }, /team-a-keys" not found/],
      [{ name: "team-b-keys" }, /decryption failed for 'Secret.v1.\[noGrp\]\/of-a'/],
      [undefined, /decryption failed for 'Secret.v1.\[noGrp\]\/of-a'/],
    ] as const) {
      const decryption = { provider: "sops", ...(secretRef === undefined ? {} : { secretRef }) };
      const failed = await b.attempt({ sourceRef, targetNamespace: "team-b", decryption });
      expect(conditionOf(failed.status, "Ready")?.reason).toBe("BuildFailed");
      expect(messageOf(failed)).toMatch(words);
      expect(JSON.stringify(failed)).not.toMatch(new RegExp(`${canary}|AGE-SECRET-KEY`));
    }
    expect(await b.find("Secret", "of-a")).toBeUndefined();
  }, 60_000);

  it("KS-096: the schema has no namespace for the Secret of the keys", async () => {
    const decryption = { provider: "sops", secretRef: { name: "team-a-keys", namespace: "team-a" } };
    const sourceRef = { kind: "GitRepository", name: "deploy" };
    const spec = { interval: "1h", prune: true, sourceRef, decryption };
    const { apiVersion, kind } = kustomization("team-b");
    const strict = b.client.request({
      method: "POST",
      path: `/apis/${apiVersion}/namespaces/team-b/kustomizations`,
      query: { fieldValidation: "Strict", dryRun: "All" },
      body: { apiVersion, kind, metadata: { name: "strict" }, spec },
    });
    await expect(strict).rejects.toThrow(/unknown field "spec.decryption.secretRef.namespace"/);
  });

  it("KS-099: with the operator's key everybody's files are decrypted that were encrypted for it, and no others", async () => {
    const secret = { apiVersion: "v1", kind: "Secret", metadata: { name: "global-keys", namespace: "flux-system" } };
    await createObject(b.client, { ...secret, stringData: { "a.agekey": keys.operator.identity } } as KubernetesObject);
    const placeholder = {
      apiVersion: "apps/v1",
      kind: "Deployment",
      namespace: "flux-system",
      name: "kustomize-controller",
    };
    const path = "/spec/template/spec/containers/0/args/-";
    const patch = { json: [{ op: "add" as const, path, value: "--sops-age-secret=global-keys" }] };
    await patchObject(b.client, placeholder, patch, { fieldManager: "team" });
    const [ofOperator, ofA] = [await encrypted("of-operator", keys.operator), await encrypted("of-a-too", keys.a)];
    const spec = { targetNamespace: "team-b", decryption: { provider: "sops" } };
    // How long a placeholder is remembered is not this test's business.
    await expect
      .poll(async () => readyOf(await b.attempt({ ...spec, sourceRef: ofOperator })), { timeout: 30_000 })
      .toBe("True");
    expect(Buffer.from(String((await secretOf("of-operator"))?.data?.password), "base64").toString()).toBe(canary);
    expect(messageOf(await b.attempt({ ...spec, sourceRef: ofA }))).toMatch(/decryption failed/);
    const named = { ...spec, decryption: { provider: "sops", secretRef: { name: "global-keys" } } };
    expect(messageOf(await b.attempt({ ...named, sourceRef: ofOperator }))).toMatch(/global-keys" not found/);
  }, 60_000);

  function secretOf(name: string) {
    const reference = { apiVersion: "v1", kind: "Secret", namespace: "team-b", name };
    return findObject<KubernetesObject & { data?: Record<string, string> }>(b.client, reference);
  }
});
