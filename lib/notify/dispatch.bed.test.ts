import { createHmac } from "node:crypto";
import { once } from "node:events";
import { createServer as createHttpServer, type IncomingHttpHeaders, type Server } from "node:http";
import { createServer as createHttpsServer } from "node:https";
import { connect as connectTcp } from "node:net";
import { afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { uniqueNamespace } from "../../test/bed/bed.ts";
import { installedCluster } from "../../test/bed/installed.ts";
import { openTestPlatform, type TestPlatform } from "../../test/bed/local-platform.ts";
import { makePlaceholder } from "../../test/bed/placeholder.ts";
import type { KubernetesObject } from "../api/object.ts";
import type { ClusterClient } from "../cluster/client.ts";
import { createObject } from "../cluster/objects.ts";
import { recordEvents } from "../engine/events.ts";
import type { EventRecord } from "../engine/reconciler.ts";
import { createCertificateAuthority, issueCertificate } from "../platform/local/certificate.ts";
import { dispatchNotification } from "./dispatch.ts";

type Posted = { method: string; path: string; headers: IncomingHttpHeaders; body: string };

/** A chat service: it keeps what it was sent and answers as it is told, 200 where it is told nothing. */
type Service = {
  url: string;
  posted: Posted[];
  answers: { status: number; body?: string; headers?: object }[];
  close(): void;
};

const services: Service[] = [];

async function startService(secure?: {
  key: string;
  cert: string;
  ca?: string;
  requestCert?: boolean;
}): Promise<Service> {
  const posted: Posted[] = [];
  const answers: Service["answers"] = [];
  const listen = (request: import("node:http").IncomingMessage, response: import("node:http").ServerResponse) => {
    let body = "";
    request.setEncoding("utf8").on("data", (chunk: string) => {
      body += chunk;
    });
    request.once("end", () => {
      posted.push({ method: request.method ?? "", path: request.url ?? "", headers: request.headers, body });
      const { status, body: answer = "", headers = {} } = answers.shift() ?? { status: 200 };
      response.writeHead(status, { ...headers }).end(answer);
    });
  };
  const server: Server = secure === undefined ? createHttpServer(listen) : createHttpsServer(secure, listen);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const port = typeof address === "object" ? address?.port : undefined;
  const close = () => {
    server.close();
    server.closeAllConnections();
  };
  const service = { url: `${secure === undefined ? "http" : "https"}://127.0.0.1:${port}`, posted, answers, close };
  services.push(service);
  return service;
}

let client: ClusterClient;
let test: TestPlatform;
let namespace: string;

beforeAll(async () => {
  client = (await installedCluster()).client;
});

beforeEach(async () => {
  test = await openTestPlatform("home", (await installedCluster()).cluster);
  namespace = await uniqueNamespace("notify");
  test.platform.consume("notification", (body) => dispatchNotification(test.platform, async () => client, body), {
    concurrency: 4,
  });
});

afterEach(async () => {
  await test.close();
  for (const service of services.splice(0)) service.close();
});

const make = (apiVersion: string, kind: string, name: string, rest: object): Promise<KubernetesObject> =>
  createObject(client, { apiVersion, kind, metadata: { namespace, name }, ...rest });
const makeSecret = (name: string, stringData: Record<string, string>) => make("v1", "Secret", name, { stringData });
const makeProvider = (name: string, spec: object) =>
  make("notification.toolkit.fluxcd.io/v1beta3", "Provider", name, { spec });
const makeAlert = (name: string, provider: string, spec: object = {}) =>
  make("notification.toolkit.fluxcd.io/v1beta3", "Alert", name, {
    spec: { providerRef: { name: provider }, eventSources: [{ kind: "Kustomization", name: "*" }], ...spec },
  });

const web = (): KubernetesObject => ({
  apiVersion: "kustomize.toolkit.fluxcd.io/v1",
  kind: "Kustomization",
  metadata: {
    namespace,
    name: "web",
    uid: "uid-of-web",
    resourceVersion: "7",
    annotations: { "event.toolkit.fluxcd.io/env": "prod" },
  },
});

const failed: EventRecord = {
  type: "Warning",
  reason: "HealthCheckFailed",
  message: "Health check failed",
  metadata: { "kustomize.toolkit.fluxcd.io/revision": "main@sha1:abc" },
};

/** Says it as a reconciler does: through the engine's own sink, into the queue. */
async function say(event: Partial<EventRecord> = {}): Promise<void> {
  const { queue, clock } = test.platform;
  const sink = { cluster: client, clusterId: "home", queue, clock };
  await recordEvents(sink, web(), "kustomize-controller", [{ ...failed, ...event }]);
}

async function settled(): Promise<void> {
  await expect.poll(() => test.platform.depth("notification").ready, { timeout: 10_000 }).toBe(0);
}

async function warningsOf(alert: string): Promise<{ reason: string; message: string; annotations: unknown }[]> {
  const list = await client.request<{ items: (KubernetesObject & { reason: string; message: string })[] }>({
    method: "GET",
    path: `/api/v1/namespaces/${namespace}/events`,
    query: { fieldSelector: `involvedObject.kind=Alert,involvedObject.name=${alert},type=Warning` },
  });
  return list.items.map(({ reason, message, metadata }) => ({ reason, message, annotations: metadata.annotations }));
}

const dispatchFailed = "NotificationDispatchFailed";
const bodies = (service: Service) => service.posted.map(({ body }) => JSON.parse(body));

describe("an event that happened", () => {
  it("EI-009, PV-001, PV-010: reaches every Alert's Provider once, each in its form", async () => {
    const [slack, generic] = await Promise.all([startService(), startService()]);
    await makeSecret("hook", { address: `${slack.url}/services/T/B/x\n`, token: "xoxb-1" });
    await makeProvider("slack", { type: "slack", channel: "ops", secretRef: { name: "hook" } });
    await makeProvider("generic", { type: "generic", address: `${generic.url}/in` });
    await Promise.all([makeAlert("a", "slack"), makeAlert("b", "generic", { eventMetadata: { cluster: "eu" } })]);
    await say();
    await expect.poll(() => [slack.posted.length, generic.posted.length]).toEqual([1, 1]);
    await settled();
    expect(slack.posted[0]).toMatchObject({
      method: "POST",
      path: "/services/T/B/x",
      headers: { authorization: "Bearer xoxb-1", "content-type": "application/json" },
    });
    expect(bodies(slack)[0]).toMatchObject({
      channel: "ops",
      username: "kustomize-controller",
      attachments: [{ color: "danger", author_name: `kustomization/web.${namespace}`, text: "Health check failed" }],
    });
    expect(generic.posted[0]?.headers["gotk-component"]).toBe("kustomize-controller");
    expect(bodies(generic)[0]).toEqual({
      involvedObject: {
        kind: "Kustomization",
        namespace,
        name: "web",
        uid: "uid-of-web",
        apiVersion: "kustomize.toolkit.fluxcd.io/v1",
        resourceVersion: "7",
      },
      severity: "error",
      timestamp: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/),
      message: "Health check failed",
      reason: "HealthCheckFailed",
      metadata: { cluster: "eu", env: "prod", revision: "main@sha1:abc" },
      reportingController: "kustomize-controller",
    });
    expect(await warningsOf("a")).toEqual([]);
    expect(test.log.join("\n")).not.toContain("xoxb-1");
  });

  it("EI-006, EI-007: an equal event is told once in five minutes, another revision at once", async () => {
    const service = await startService();
    await makeProvider("generic", { type: "generic", address: service.url });
    await say({ message: "nobody listens yet" });
    await settled();
    await makeAlert("a", "generic");
    await say({ message: "nobody listens yet" });
    await say();
    await say();
    await say({ metadata: { "kustomize.toolkit.fluxcd.io/revision": "main@sha1:def" } });
    await settled();
    expect(
      bodies(service)
        .map(({ message, metadata }) => `${message} ${metadata.revision}`)
        .sort(),
    ).toEqual(["Health check failed main@sha1:abc", "Health check failed main@sha1:def"]);
  });

  it("SV-005: a message that comes twice is told once", async () => {
    const service = await startService();
    await makeProvider("generic", { type: "generic", address: service.url });
    await makeAlert("a", "generic");
    const event = {
      ...failed,
      involvedObject: { ...web().metadata, kind: "Kustomization", apiVersion: web().apiVersion },
    };
    const { type: _type, ...rest } = event;
    const body = JSON.stringify({ cluster: "home", id: "x/y", event: { ...rest, severity: "error" } });
    await dispatchNotification(test.platform, async () => client, body);
    await settled();
    await dispatchNotification(test.platform, async () => client, body);
    await settled();
    expect(service.posted).toHaveLength(1);
  });

  it("AL-003, AL-005, AL-008: goes only to those who listen", async () => {
    const service = await startService();
    await makeProvider("generic", { type: "generic", address: service.url });
    const labelled = (team: string) => ({
      eventSources: [{ kind: "Kustomization", name: "web", matchLabels: { team } }],
    });
    await createObject(client, {
      ...web(),
      metadata: { namespace, name: "web", labels: { team: "a" } },
      spec: { interval: "1h", prune: true, path: "./", sourceRef: { kind: "GitRepository", name: "x" } },
    });
    const add = (name: string, spec: object) => makeAlert(name, "generic", { ...spec, eventMetadata: { alert: name } });
    await Promise.all([
      add("labels", labelled("a")),
      add("other-labels", labelled("b")),
      add("suspended", { suspend: true }),
      add("other-kind", { eventSources: [{ kind: "HelmRelease", name: "*" }] }),
      add("excluded", { exclusionList: ["(?i)health"] }),
      add("invalid", { inclusionList: ["(?!x)"] }),
    ]);
    await say();
    await settled();
    expect(bodies(service).map(({ metadata }) => metadata.alert)).toEqual(["labels"]);
    expect(await warningsOf("invalid")).toMatchObject([
      { reason: "InvalidConfig", message: "failed to compile inclusion regex: (?!x)" },
    ]);
  });

  it("MD-002: a key of two layers is said on the Alert, once", async () => {
    const service = await startService();
    await makeProvider("generic", { type: "generic", address: service.url });
    await makeAlert("a", "generic", { eventMetadata: { env: "test" } });
    await say();
    await settled();
    expect(bodies(service)[0].metadata.env).toBe("test");
    expect(await warningsOf("a")).toEqual([
      {
        reason: "MetadataAppendFailed",
        message:
          "metadata key conflicts detected (please refer to the Alert API docs and Flux RFC 0008 for more information)",
        annotations: { env: "involved object annotations, Alert object .spec.eventMetadata" },
      },
    ]);
  });
});

describe("what is wrong with Alert or Provider", () => {
  const prefix = () => `failed to dispatch notification for Kustomization/${namespace}/web: `;

  it("AL-001, PR-016, PR-001: is said on the Alert and does not stop the others", async () => {
    const service = await startService();
    await makeProvider("generic", { type: "generic", address: service.url });
    await makeProvider("later", { type: "discord", address: service.url });
    await makeProvider("bare", { type: "slack" });
    await makeProvider("secretless", { type: "generic-hmac", address: service.url, secretRef: { name: "gone" } });
    await makeSecret("half", { password: "x" });
    await makeProvider("half", { type: "generic", address: service.url, secretRef: { name: "half" } });
    for (const name of ["missing", "later", "bare", "secretless", "half", "generic"]) await makeAlert(name, name);
    await say();
    await settled();
    expect(service.posted).toHaveLength(1);
    const said = async (alert: string) => {
      const [warning, ...more] = await warningsOf(alert);
      expect(more).toEqual([]);
      expect(warning?.reason).toBe(dispatchFailed);
      return warning?.message.replace(prefix(), "");
    };
    const initialize = (name: string) => `failed to initialize notifier for provider '${name}': `;
    expect(await said("missing")).toBe(
      'failed to read provider: providers.notification.toolkit.fluxcd.io "missing" not found',
    );
    expect(await said("later")).toBe(
      `${initialize("later")}failed to initialize notifier: provider discord not supported`,
    );
    expect(await said("bare")).toContain(`${initialize("bare")}failed to initialize notifier: invalid Slack hook URL`);
    expect(await said("secretless")).toBe(
      `${initialize("secretless")}failed to get secret '${namespace}/gone': secrets "gone" not found`,
    );
    expect(await said("half")).toContain("has 'password' but missing 'username'");
    expect(test.platform.depth("notification").delayed).toBe(0);
  });

  it("PR-010, PR-021: a suspended Provider is silent, and a commit status update is for generic ones", async () => {
    const [chat, generic] = await Promise.all([startService(), startService()]);
    await makeProvider("chat", { type: "slack", address: chat.url });
    await makeProvider("generic", { type: "generic", address: generic.url });
    await makeProvider("quiet", { type: "generic", address: generic.url, suspend: true });
    for (const name of ["chat", "generic", "quiet"]) await makeAlert(name, name);
    await say({ metadata: { "kustomize.toolkit.fluxcd.io/commit_status": "update" } });
    await settled();
    expect([chat.posted.length, generic.posted.length]).toEqual([0, 1]);
    expect([...(await warningsOf("chat")), ...(await warningsOf("quiet"))]).toEqual([]);
  });
});

describe("a Provider in trouble", () => {
  it("HC-001, AL-011: a refusal is final, said on the Alert, and shows no secret", async () => {
    const service = await startService();
    service.answers.push({ status: 403, body: "token hush-hush is revoked" });
    await makeSecret("hook", { address: `${service.url}/secret-path`, token: "hush-hush" });
    await makeProvider("slack", { type: "slack", secretRef: { name: "hook" } });
    await makeAlert("a", "slack");
    await say();
    await settled();
    expect(service.posted).toHaveLength(1);
    expect(await warningsOf("a")).toMatchObject([
      {
        reason: dispatchFailed,
        message: `failed to send notification for Kustomization/${namespace}/web: postMessage failed: request failed: request failed with status code 403: token ***** is revoked`,
      },
    ]);
    expect(test.platform.depth("notification").delayed).toBe(0);
    expect(test.log.join("\n")).not.toMatch(/hush-hush|secret-path/);
  });

  it("HC-002, SV-003: one that is down hears of it when it is back, and no other hears twice", async () => {
    const [down, up] = await Promise.all([startService(), startService()]);
    down.answers.push(
      { status: 503, body: "busy", headers: { "retry-after": "1" } },
      { status: 429, headers: { "retry-after": "1" } },
    );
    await makeProvider("down", { type: "generic", address: down.url });
    await makeProvider("up", { type: "generic", address: up.url });
    await Promise.all([makeAlert("a", "down"), makeAlert("b", "up")]);
    await say();
    await expect.poll(() => down.posted.length, { timeout: 15_000 }).toBe(3);
    await settled();
    expect(new Set(down.posted.map(({ body }) => body)).size).toBe(1);
    expect(up.posted).toHaveLength(1);
    expect(await warningsOf("a")).toEqual([]);
  });

  it("PR-009, HC-003: one that does not answer in time is said once, and tried again", async () => {
    const silent = createHttpServer(() => undefined);
    silent.listen(0, "127.0.0.1");
    await once(silent, "listening");
    const address = silent.address();
    const port = typeof address === "object" ? address?.port : undefined;
    await makeProvider("slow", { type: "generic", address: `http://127.0.0.1:${port}/x?key=hidden`, timeout: "200ms" });
    await makeAlert("a", "slow");
    await say();
    await expect.poll(() => test.platform.depth("notification").delayed).toBe(1);
    await expect.poll(() => warningsOf("a").then((warnings) => warnings.length)).toBe(1);
    const [warning] = await warningsOf("a");
    expect(warning?.message).toContain("postMessage failed: failed to execute request: context deadline exceeded");
    expect(warning?.message).not.toContain("hidden");
    silent.close();
    silent.closeAllConnections();
  });
});

describe("the way to a Provider", () => {
  it("PR-006: a private authority is trusted alone, and a client certificate is shown", async () => {
    const authority = createCertificateAuthority("services");
    const issued = issueCertificate(authority, { names: ["127.0.0.1"] });
    const own = issueCertificate(authority, { names: ["client"] });
    const service = await startService({
      key: issued.key,
      cert: issued.certificate,
      ca: authority.certificate,
      requestCert: true,
    });
    await makeSecret("both", { "ca.crt": authority.certificate, "tls.crt": own.certificate, "tls.key": own.key });
    await makeSecret("half", { "tls.crt": own.certificate });
    await makeSecret("junk", { "ca.crt": "nonsense" });
    for (const name of ["both", "half", "junk"])
      await makeProvider(name, { type: "generic", address: service.url, certSecretRef: { name } });
    await makeProvider("system", { type: "generic", address: service.url });
    for (const name of ["both", "half", "junk", "system"]) await makeAlert(name, name);
    await say();
    await settled();
    expect(service.posted).toHaveLength(1);
    const first = async (alert: string) => (await warningsOf(alert))[0];
    const [half, junk, system] = [await first("half"), await first("junk"), await first("system")];
    expect(half?.message).toContain("failed to get TLS config: ");
    expect(half?.message).toContain("contains 'tls.crt' but missing 'tls.key'");
    expect(junk?.message).toContain("failed to get TLS config: failed to parse CA certificate");
    expect(system?.message).toContain("postMessage failed: failed to execute request: ");
    expect(test.platform.depth("notification").delayed).toBe(0);
  });

  it("PR-008: a proxy is asked, with its credentials, for HTTP and for HTTPS", async () => {
    const authority = createCertificateAuthority("services");
    const issued = issueCertificate(authority, { names: ["127.0.0.1"] });
    const secure = await startService({ key: issued.key, cert: issued.certificate });
    const proxy = await startService();
    const tunnels: string[] = [];
    const tunnel = createHttpServer();
    tunnel.on("connect", (request, socket) => {
      tunnels.push(`${request.url} ${request.headers["proxy-authorization"]}`);
      const [host = "", port] = (request.url ?? "").split(":");
      const upstream = connectTcp(Number(port), host, () => {
        socket.write("HTTP/1.1 200 Connection established\r\n\r\n");
        socket.pipe(upstream).pipe(socket);
      });
      upstream.on("error", () => socket.destroy());
      socket.on("error", () => upstream.destroy());
    });
    tunnel.listen(0, "127.0.0.1");
    await once(tunnel, "listening");
    const at = tunnel.address();
    const tunnelUrl = `http://127.0.0.1:${typeof at === "object" ? at?.port : ""}`;
    await makeSecret("plain", { address: proxy.url, username: "u", password: "p:/" });
    await makeSecret("tunnel", { address: tunnelUrl, username: "u", password: "p" });
    await makeSecret("socks", { address: "socks5://127.0.0.1:1" });
    await makeSecret("ca", { "ca.crt": authority.certificate });
    await makeProvider("plain", {
      type: "generic",
      address: "http://chat.invalid/in",
      proxySecretRef: { name: "plain" },
    });
    await makeProvider("tunnel", {
      type: "generic",
      address: `${secure.url}/in`,
      proxySecretRef: { name: "tunnel" },
      certSecretRef: { name: "ca" },
    });
    await makeProvider("socks", { type: "generic", address: "http://chat.invalid", proxySecretRef: { name: "socks" } });
    for (const name of ["plain", "tunnel", "socks"]) await makeAlert(name, name);
    await say();
    await expect.poll(() => [proxy.posted.length, secure.posted.length]).toEqual([1, 1]);
    await settled();
    const basic = (text: string) => `Basic ${Buffer.from(text).toString("base64")}`;
    expect(proxy.posted[0]).toMatchObject({
      path: "http://chat.invalid/in",
      headers: { host: "chat.invalid", "proxy-authorization": basic("u:p:/") },
    });
    expect(tunnels).toEqual([`${new URL(secure.url).host} ${basic("u:p")}`]);
    expect(secure.posted[0]?.headers).not.toHaveProperty("proxy-authorization");
    expect((await warningsOf("socks"))[0]?.message).toContain("failed to get proxy URL: a socks5 proxy cannot be used");
    tunnel.close();
    tunnel.closeAllConnections();
  });

  it("a redirect is followed as a POST, and takes no credential to another host", async () => {
    const [first, second] = await Promise.all([startService(), startService()]);
    first.answers.push({ status: 307, headers: { location: `${second.url}/moved` } });
    await makeSecret("hook", { token: "xoxb-1" });
    await makeProvider("slack", { type: "slack", address: first.url, secretRef: { name: "hook" } });
    await makeAlert("a", "slack");
    await say();
    await settled();
    expect(first.posted[0]?.headers.authorization).toBe("Bearer xoxb-1");
    expect(second.posted).toMatchObject([{ method: "POST", path: "/moved", body: first.posted[0]?.body }]);
    expect(second.posted[0]?.headers).not.toHaveProperty("authorization");
  });

  it("PV-001, PV-002: a signature over the received bytes, and headers of the Secret", async () => {
    const service = await startService();
    await makeSecret("hmac", { token: "k\n", headers: "X-Team: a\nX-Number: '7'\n" });
    await makeProvider("hmac", { type: "generic-hmac", address: service.url, secretRef: { name: "hmac" } });
    await makeAlert("a", "hmac");
    await say();
    await settled();
    const [posted] = service.posted;
    const expected = createHmac("sha256", "k\n")
      .update(posted?.body ?? "")
      .digest("hex");
    expect(posted?.headers).toMatchObject({ "x-signature": `sha256=${expected}`, "x-team": "a", "x-number": "7" });
  });
});

describe("flags", () => {
  it("AL-010, EI-006: cross-namespace sources can be forbidden, and the interval be shorter", async () => {
    const [runtimeNamespace, other] = await Promise.all([uniqueNamespace("runtime"), uniqueNamespace("other")]);
    await makePlaceholder(client, runtimeNamespace, ["--no-cross-namespace-refs=true", "--rate-limit-interval=0s"]);
    const own = await openTestPlatform("home", (await installedCluster()).cluster);
    own.platform.consume(
      "notification",
      (body) => dispatchNotification(own.platform, async () => client, body, runtimeNamespace),
      { concurrency: 1 },
    );
    const service = await startService();
    await makeProvider("generic", { type: "generic", address: service.url });
    await makeAlert("own", "generic");
    await createObject(client, {
      apiVersion: "notification.toolkit.fluxcd.io/v1beta3",
      kind: "Alert",
      metadata: { namespace: other, name: "cross" },
      spec: { providerRef: { name: "p" }, eventSources: [{ kind: "Kustomization", name: "*", namespace }] },
    });
    const { queue, clock } = own.platform;
    const sink = { cluster: client, clusterId: "home", queue, clock };
    await recordEvents(sink, web(), "kustomize-controller", [failed, failed]);
    await expect.poll(() => service.posted.length).toBe(2);
    await expect.poll(() => own.platform.depth("notification").ready).toBe(0);
    const list = await client.request<{ items: { reason: string; message: string }[] }>({
      method: "GET",
      path: `/api/v1/namespaces/${other}/events`,
    });
    expect(list.items[0]).toMatchObject({
      reason: dispatchFailed,
      message: `failed to dispatch notification for Kustomization/${namespace}/web: discarding event, access denied to cross-namespace sources: alert '${other}/cross' can't process event from 'Kustomization/${namespace}/web', cross-namespace references have been blocked`,
    });
    await own.close();
  });

  it("design decision 2: where an in-cluster controller owns Alerts, Sluice keeps off", async () => {
    const runtimeNamespace = await uniqueNamespace("runtime");
    await makePlaceholder(client, runtimeNamespace, [], 1);
    const service = await startService();
    await makeProvider("generic", { type: "generic", address: service.url });
    await makeAlert("a", "generic");
    const { type: _type, ...rest } = failed;
    const involvedObject = { ...web().metadata, kind: "Kustomization", apiVersion: web().apiVersion };
    const body = JSON.stringify({ cluster: "home", event: { ...rest, severity: "error", involvedObject } });
    await dispatchNotification(test.platform, async () => client, body, runtimeNamespace);
    await settled();
    expect(service.posted).toEqual([]);
  });
});
