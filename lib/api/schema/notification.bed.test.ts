import { beforeAll, describe, expect, it } from "vitest";
import { uniqueNamespace } from "../../../test/bed/bed.ts";
import { installedCluster } from "../../../test/bed/installed.ts";
import { verdictOn } from "../../../test/bed/verdict.ts";
import type { ClusterClient } from "../../cluster/client.ts";
import { applyObject, getObject, listObjects, patchObject, referenceTo } from "../../cluster/objects.ts";
import type { KubernetesObject } from "../object.ts";

let client: ClusterClient;
let namespace: string;

beforeAll(async () => {
  client = (await installedCluster()).client;
  namespace = await uniqueNamespace("notification-schema");
});

const group = "notification.toolkit.fluxcd.io";
const long = (length: number) => "x".repeat(length);

function make(kind: string, version: string, spec: Record<string, unknown>, name = "it"): KubernetesObject {
  return { apiVersion: `${group}/${version}`, kind, metadata: { name, namespace }, spec };
}

const event = { kind: "Kustomization", name: "*" };
const alert = (spec: Record<string, unknown>, version = "v1beta3", name = "it") =>
  make("Alert", version, { providerRef: { name: "chat" }, eventSources: [event], ...spec }, name);
const provider = (spec: Record<string, unknown>, version = "v1beta3", name = "it") =>
  make("Provider", version, { type: "slack", ...spec }, name);
const receiver = (spec: Record<string, unknown>, version = "v1", name = "it") =>
  make("Receiver", version, { type: "github", secretRef: { name: "t" }, resources: [event], ...spec }, name);

async function refused(object: KubernetesObject, why: string): Promise<void> {
  const verdict = await verdictOn(client, object);
  expect(verdict).toMatch(/^422 /);
  expect(verdict).toContain(why);
}

describe("the schema of an Alert", () => {
  it("AL-001: a Provider is required", async () => {
    await refused(make("Alert", "v1beta3", { eventSources: [event] }), "spec.providerRef: Required value");
    await refused(alert({ providerRef: {} }), "spec.providerRef.name: Required value");
  });

  it("AL-002: event sources name known kinds, and names of 1 to 253 characters", async () => {
    await refused(make("Alert", "v1beta3", { providerRef: { name: "a" } }), "spec.eventSources: Required value");
    await refused(
      alert({ eventSources: [{ kind: "Deployment", name: "a" }] }),
      "spec.eventSources[0].kind: Unsupported",
    );
    for (const field of ["name", "namespace"])
      for (const value of ["", long(254)])
        await refused(alert({ eventSources: [{ ...event, [field]: value }] }), `spec.eventSources[0].${field}: `);
    const kinds = "Bucket GitRepository Kustomization HelmRelease HelmChart HelmRepository ImageRepository ImagePolicy";
    const others = "ImageUpdateAutomation OCIRepository ArtifactGenerator ExternalArtifact";
    const eventSources = `${kinds} ${others}`.split(" ").map((kind) => ({ kind, name: "a", matchLabels: { a: "b" } }));
    expect(await verdictOn(client, alert({ eventSources }))).toBe("accepted");
  });

  it("AL-004: the severity is info by default, or error", async () => {
    await refused(alert({ eventSeverity: "warning" }), 'supported values: "info", "error"');
    const created = await applyObject(client, alert({}, "v1beta3", "severity"), { fieldManager: "test" });
    expect(created.spec).toMatchObject({ eventSeverity: "info" });
  });

  it("AL-009: a summary has at most 255 characters", async () => {
    await refused(alert({ summary: long(256) }), "spec.summary: Too long: may not be more than 255");
    expect(await verdictOn(client, alert({ summary: long(255), eventMetadata: { a: "b" } }))).toBe("accepted");
  });

  it.each(["Alert", "Provider"])("AL-013, PR-015: %s has no status to write", async (kind) => {
    const object = kind === "Alert" ? alert({}, "v1beta3", "static") : provider({}, "v1beta3", "static");
    const created = await applyObject(client, object, { fieldManager: "test" });
    expect(created.status).toBeUndefined();
    const patch = { merge: { status: { conditions: [] } } };
    const write = patchObject(client, referenceTo(created), patch, { fieldManager: "test", subresource: "status" });
    await expect(write).rejects.toMatchObject({ statusCode: 404 });
  });

  it.each(["v1beta1", "v1beta2"])("BS-051: %s is served", async (version) => {
    await applyObject(client, alert({ summary: "old" }, version, `alert-${version}`), { fieldManager: "test" });
    const reference = { apiVersion: `${group}/v1beta3`, kind: "Alert", namespace, name: `alert-${version}` };
    expect((await getObject(client, reference)).spec).toMatchObject({ summary: "old" });
    expect(await verdictOn(client, provider({}, version))).toBe("accepted");
    expect(await verdictOn(client, receiver({}, version))).toBe("accepted");
  });
});

describe("the schema of a Provider", () => {
  it("PR-001: its type is a known one", async () => {
    await refused(provider({ type: "pigeon" }), "spec.type: Unsupported value");
    for (const type of ["slack", "msteams", "generic", "generic-hmac", "github", "otel", "zulip"])
      expect(await verdictOn(client, provider({ type }))).toBe("accepted");
  });

  it.each(["address", "channel", "username"])("PR-002: %s has at most 2048 characters", async (field) => {
    await refused(provider({ [field]: long(2049) }), `spec.${field}: Too long`);
    expect(await verdictOn(client, provider({ [field]: long(2048) }))).toBe("accepted");
  });

  it("PR-008: proxy is an HTTP address", async () => {
    await refused(provider({ proxy: "socks5://a" }), "spec.proxy: Invalid value");
    expect(await verdictOn(client, provider({ proxy: "http://a:3128" }))).toBe("accepted");
  });

  it("PR-009, PR-011: timeout has no hours, interval may", async () => {
    await refused(provider({ timeout: "1h" }), "spec.timeout: Invalid value");
    expect(await verdictOn(client, provider({ timeout: "15s", interval: "1h" }))).toBe("accepted");
  });

  it("PR-013: only commit status types have an expression", async () => {
    const commitStatusExpr = "'ci/' + event.involvedObject.name";
    await refused(
      provider({ commitStatusExpr }),
      "spec.commitStatusExpr is only supported for the 'github', 'gitlab', 'gitea', 'bitbucketserver', 'bitbucket', 'azuredevops' provider types",
    );
    for (const type of ["github", "gitlab", "gitea", "bitbucketserver", "bitbucket", "azuredevops"])
      expect(await verdictOn(client, provider({ type, commitStatusExpr }))).toBe("accepted");
  });
});

describe("the schema of a Receiver", () => {
  const validation = { expression: "true", message: "no" };
  const issuer = (issuerURL: string) => ({ issuerURL, validations: [validation] });
  const oidc = (spec: Record<string, unknown>) =>
    make("Receiver", "v1", { type: "generic-oidc", resources: [event], ...spec });

  it("RC-001: its type is a known one", async () => {
    await refused(receiver({ type: "gitea" }), "spec.type: Unsupported value");
    const types = "generic generic-hmac github gitlab bitbucket harbor dockerhub quay gcr nexus acr cdevents";
    for (const type of types.split(" ")) expect(await verdictOn(client, receiver({ type }))).toBe("accepted");
  });

  it("RC-003: it has either a Secret or, for generic-oidc, issuers", async () => {
    await refused(
      make("Receiver", "v1", { type: "github", resources: [event] }),
      "secretRef is required when type is not generic-oidc",
    );
    await refused(oidc({}), "generic-oidc receivers must define at least one oidcProvider");
    await refused(
      oidc({ secretRef: { name: "a" }, oidcProviders: [issuer("https://a")] }),
      "secretRef cannot be set when type is generic-oidc",
    );
    await refused(
      receiver({ oidcProviders: [issuer("https://a")] }),
      "oidcProviders can only be set when type is generic-oidc",
    );
    expect(await verdictOn(client, oidc({ oidcProviders: [issuer("https://a")] }))).toBe("accepted");
  });

  it("RC-011: resources are required; issuers are addresses, each with a validation", async () => {
    await refused(
      make("Receiver", "v1", { type: "github", secretRef: { name: "a" } }),
      "spec.resources: Required value",
    );
    await refused(
      receiver({ resources: [{ kind: "Secret", name: "a" }] }),
      "spec.resources[0].kind: Unsupported value",
    );
    await refused(oidc({ oidcProviders: [issuer("a")] }), "spec.oidcProviders[0].issuerURL: Invalid value");
    await refused(
      oidc({ oidcProviders: [{ issuerURL: "https://a", validations: [] }] }),
      "spec.oidcProviders[0].validations: Invalid value",
    );
  });

  it("RC-008, RC-013: a new object has its defaults and no observed generation", async () => {
    await refused(receiver({ interval: "1d" }), "spec.interval: Invalid value");
    const created = await applyObject(client, receiver({}, "v1", "defaults"), { fieldManager: "test" });
    expect(created.spec).toMatchObject({ interval: "10m" });
    expect(created.status).toEqual({ observedGeneration: -1 });
  });

  it("who is called at a path is selected by the API server (design, State)", async () => {
    const created = await applyObject(client, receiver({}, "v1", "called"), { fieldManager: "test" });
    const webhookPath = `/hook/${"a".repeat(64)}`;
    const status = { merge: { status: { webhookPath } } };
    await patchObject(client, referenceTo(created), status, { fieldManager: "test", subresource: "status" });
    const fieldSelector = `status.webhookPath=${webhookPath}`;
    const found = await listObjects(client, { apiVersion: `${group}/v1`, kind: "Receiver", namespace, fieldSelector });
    expect(found.map(({ metadata }) => metadata.name)).toEqual(["called"]);
  });
});
