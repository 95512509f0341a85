import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { uniqueNamespace } from "../../test/bed/bed.ts";
import type { ChatService } from "../../test/bed/chat-service.ts";
import { healthCheckFailed, type NotificationBed, openNotificationBed } from "../../test/bed/notifications.ts";
import { makePlaceholder } from "../../test/bed/placeholder.ts";
import { createObject } from "../cluster/objects.ts";
import { dispatchNotification } from "./dispatch.ts";

const dispatchFailed = "NotificationDispatchFailed";

let bed: NotificationBed;

beforeEach(async () => {
  bed = await openNotificationBed();
});

afterEach(() => bed.close());

const bodies = (service: ChatService) => service.posted.map(({ body }) => JSON.parse(body));

describe("an event that happened", () => {
  it("EI-009, PV-001, PV-010: reaches every Alert's Provider once, each in its form", async () => {
    const [slack, generic] = await Promise.all([bed.service(), bed.service()]);
    await bed.makeSecret("hook", { address: `${slack.url}/services/T/B/x\n`, token: "xoxb-1" });
    await bed.makeProvider("slack", { type: "slack", channel: "ops", secretRef: { name: "hook" } });
    await bed.makeProvider("generic", { type: "generic", address: `${generic.url}/in` });
    await Promise.all([
      bed.makeAlert("a", "slack"),
      bed.makeAlert("b", "generic", { eventMetadata: { cluster: "eu" } }),
    ]);
    await bed.say();
    await expect.poll(() => [slack.posted.length, generic.posted.length]).toEqual([1, 1]);
    await bed.settled();
    expect(slack.posted[0]).toMatchObject({
      method: "POST",
      path: "/services/T/B/x",
      headers: { authorization: "Bearer xoxb-1", "content-type": "application/json" },
    });
    expect(bodies(slack)[0]).toMatchObject({
      channel: "ops",
      username: "kustomize-controller",
      attachments: [
        { color: "danger", author_name: `kustomization/web.${bed.namespace}`, text: "Health check failed" },
      ],
    });
    expect(generic.posted[0]?.headers["gotk-component"]).toBe("kustomize-controller");
    expect(bodies(generic)[0]).toEqual({
      involvedObject: {
        kind: "Kustomization",
        namespace: bed.namespace,
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
    expect(await bed.warningsOf("a")).toEqual([]);
    expect(bed.log.join("\n")).not.toContain("xoxb-1");
  });

  it("EI-006, EI-007: an equal event is told once in five minutes, another revision at once", async () => {
    const service = await bed.service();
    await bed.makeProvider("generic", { type: "generic", address: service.url });
    await bed.say({ message: "nobody listens yet" });
    await bed.settled();
    await bed.makeAlert("a", "generic");
    await bed.say({ message: "nobody listens yet" });
    await bed.say();
    await bed.say();
    await bed.say({ metadata: { "kustomize.toolkit.fluxcd.io/revision": "main@sha1:def" } });
    await bed.settled();
    expect(
      bodies(service)
        .map(({ message, metadata }) => `${message} ${metadata.revision}`)
        .sort(),
    ).toEqual(["Health check failed main@sha1:abc", "Health check failed main@sha1:def"]);
  });

  it("EI-009: an Alert that was made a moment before an event hears of it", async () => {
    const service = await bed.service();
    await bed.makeProvider("generic", { type: "generic", address: service.url });
    for (const name of ["a", "b", "c"]) {
      await bed.makeAlert(name, "generic");
      await bed.say({ message: `after ${name}` });
      await bed.settled();
    }
    const told = (name: string) => bodies(service).filter(({ message }) => message === `after ${name}`).length;
    expect([told("a"), told("b"), told("c")]).toEqual([1, 2, 3]);
  });

  it("SV-005: a message that comes twice is told once", async () => {
    const service = await bed.service();
    await bed.makeProvider("generic", { type: "generic", address: service.url });
    await bed.makeAlert("a", "generic");
    const event = {
      ...healthCheckFailed,
      involvedObject: { ...bed.web().metadata, kind: "Kustomization", apiVersion: bed.web().apiVersion },
    };
    const { type: _type, ...rest } = event;
    const body = JSON.stringify({ cluster: "home", id: "x/y", event: { ...rest, severity: "error" } });
    await dispatchNotification(bed.platform, async () => bed.client, body);
    await bed.settled();
    await dispatchNotification(bed.platform, async () => bed.client, body);
    await bed.settled();
    expect(service.posted).toHaveLength(1);
  });

  it("AL-003, AL-005, AL-008: goes only to those who listen", async () => {
    const service = await bed.service();
    await bed.makeProvider("generic", { type: "generic", address: service.url });
    const labelled = (team: string) => ({
      eventSources: [{ kind: "Kustomization", name: "web", matchLabels: { team } }],
    });
    await createObject(bed.client, {
      ...bed.web(),
      metadata: { namespace: bed.namespace, name: "web", labels: { team: "a" } },
      spec: { interval: "1h", prune: true, path: "./", sourceRef: { kind: "GitRepository", name: "x" } },
    });
    const add = (name: string, spec: object) =>
      bed.makeAlert(name, "generic", { ...spec, eventMetadata: { alert: name } });
    await Promise.all([
      add("labels", labelled("a")),
      add("other-labels", labelled("b")),
      add("suspended", { suspend: true }),
      add("other-kind", { eventSources: [{ kind: "HelmRelease", name: "*" }] }),
      add("excluded", { exclusionList: ["(?i)health"] }),
      add("invalid", { inclusionList: ["(?!x)"] }),
    ]);
    await bed.say();
    await bed.settled();
    expect(bodies(service).map(({ metadata }) => metadata.alert)).toEqual(["labels"]);
    expect(await bed.warningsOf("invalid")).toMatchObject([
      { reason: "InvalidConfig", message: "failed to compile inclusion regex: (?!x)" },
    ]);
  });

  it("MD-002: a key of two layers is said on the Alert, once", async () => {
    const service = await bed.service();
    await bed.makeProvider("generic", { type: "generic", address: service.url });
    await bed.makeAlert("a", "generic", { eventMetadata: { env: "test" } });
    await bed.say();
    await bed.settled();
    expect(bodies(service)[0].metadata.env).toBe("test");
    expect(await bed.warningsOf("a")).toEqual([
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
  const prefix = () => `failed to dispatch notification for Kustomization/${bed.namespace}/web: `;

  it("AL-001, PR-016, PR-001: is said on the Alert and does not stop the others", async () => {
    const service = await bed.service();
    await bed.makeProvider("generic", { type: "generic", address: service.url });
    await bed.makeProvider("later", { type: "discord", address: service.url });
    await bed.makeProvider("bare", { type: "slack" });
    await bed.makeProvider("secretless", { type: "generic-hmac", address: service.url, secretRef: { name: "gone" } });
    await bed.makeSecret("half", { password: "x" });
    await bed.makeProvider("half", { type: "generic", address: service.url, secretRef: { name: "half" } });
    for (const name of ["missing", "later", "bare", "secretless", "half", "generic"]) await bed.makeAlert(name, name);
    await bed.say();
    await bed.settled();
    expect(service.posted).toHaveLength(1);
    const said = async (alert: string) => {
      const [warning, ...more] = await bed.warningsOf(alert);
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
      `${initialize("secretless")}failed to get secret '${bed.namespace}/gone': secrets "gone" not found`,
    );
    expect(await said("half")).toContain("has 'password' but missing 'username'");
    expect(bed.platform.depth("notification").delayed).toBe(0);
  });

  it("PR-010, PR-021: a suspended Provider is silent, and a commit status update is for generic ones", async () => {
    const [chat, generic] = await Promise.all([bed.service(), bed.service()]);
    await bed.makeProvider("chat", { type: "slack", address: chat.url });
    await bed.makeProvider("generic", { type: "generic", address: generic.url });
    await bed.makeProvider("quiet", { type: "generic", address: generic.url, suspend: true });
    for (const name of ["chat", "generic", "quiet"]) await bed.makeAlert(name, name);
    await bed.say({ metadata: { "kustomize.toolkit.fluxcd.io/commit_status": "update" } });
    await bed.settled();
    expect([chat.posted.length, generic.posted.length]).toEqual([0, 1]);
    expect([...(await bed.warningsOf("chat")), ...(await bed.warningsOf("quiet"))]).toEqual([]);
  });
});

describe("flags", () => {
  it("AL-010, EI-006: cross-namespace sources can be forbidden, and the interval be shorter", async () => {
    const [runtimeNamespace, other] = [await uniqueNamespace("runtime"), await uniqueNamespace("other")];
    await makePlaceholder(bed.client, runtimeNamespace, ["--no-cross-namespace-refs=true", "--rate-limit-interval=0s"]);
    const strict = await openNotificationBed(runtimeNamespace);
    const service = await strict.service();
    await strict.makeProvider("generic", { type: "generic", address: service.url });
    await strict.makeAlert("own", "generic");
    await createObject(bed.client, {
      apiVersion: "notification.toolkit.fluxcd.io/v1beta3",
      kind: "Alert",
      metadata: { namespace: other, name: "cross" },
      spec: {
        providerRef: { name: "p" },
        eventSources: [{ kind: "Kustomization", name: "*", namespace: strict.namespace }],
      },
    });
    await strict.say();
    await strict.say();
    await expect.poll(() => service.posted.length).toBe(2);
    await strict.settled();
    const list = await bed.client.request<{ items: { reason: string; message: string }[] }>({
      method: "GET",
      path: `/api/v1/namespaces/${other}/events`,
    });
    expect(list.items[0]).toMatchObject({
      reason: dispatchFailed,
      message: `failed to dispatch notification for Kustomization/${strict.namespace}/web: discarding event, access denied to cross-namespace sources: alert '${other}/cross' can't process event from 'Kustomization/${strict.namespace}/web', cross-namespace references have been blocked`,
    });
    await strict.close();
  });

  it("design decision 2: where an in-cluster controller owns Alerts, Sluice keeps off", async () => {
    const runtimeNamespace = await uniqueNamespace("runtime");
    await makePlaceholder(bed.client, runtimeNamespace, [], 1);
    const other = await openNotificationBed(runtimeNamespace);
    const service = await other.service();
    await other.makeProvider("generic", { type: "generic", address: service.url });
    await other.makeAlert("a", "generic");
    await other.say();
    await other.settled();
    expect(service.posted).toEqual([]);
    await other.close();
  });
});
