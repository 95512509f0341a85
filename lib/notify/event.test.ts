import { describe, expect, it } from "vitest";
import { mergeMetadata } from "./alert-metadata.ts";
import { cleanMetadata, type NotificationEvent, parseEvent, rateLimitKey, withoutToken } from "./event.ts";

const group = "kustomize.toolkit.fluxcd.io";
const revision = "main@sha1:731f7eaddfb6af01cb2173e18f0f75b0ba780ef1";

const reference: NotificationEvent = {
  involvedObject: {
    kind: "Kustomization",
    namespace: "apps",
    name: "web",
    uid: "7d0cdc51-ddcf-4743-b223-83ca5c699632",
    apiVersion: `${group}/v1`,
  },
  severity: "error",
  timestamp: "2026-01-02T03:04:05Z",
  message: "Health check failed",
  reason: "HealthCheckFailed",
  metadata: { [`${group}/revision`]: revision },
  reportingController: "kustomize-controller",
};

const withEntries = (metadata: Record<string, string>, more: Partial<NotificationEvent> = {}): NotificationEvent => ({
  ...reference,
  ...more,
  metadata,
});

describe("metadata on its way in", () => {
  it("EI-004: keeps the object's group and the users', and drops checksum and digest in any case", () => {
    const event = withEntries({
      [`${group}/revision`]: "r",
      [`${group}/aa/bb`]: "kept",
      [`${group}/Digest`]: "no",
      [`${group}/CHECKSUM`]: "no",
      "event.toolkit.fluxcd.io/env": "prod",
      "source.toolkit.fluxcd.io/revision": "foreign",
      plain: "no",
    });
    expect(cleanMetadata(event).metadata).toEqual({
      [`${group}/revision`]: "r",
      [`${group}/aa/bb`]: "kept",
      "event.toolkit.fluxcd.io/env": "prod",
    });
  });

  it("EI-008, EV-001: drops the token, and leaves no empty metadata", () => {
    const bare = withoutToken(withEntries({ [`${group}/token`]: "t" }));
    expect(bare).not.toHaveProperty("metadata");
    expect(Object.keys(bare)).toEqual([
      "involvedObject",
      "severity",
      "timestamp",
      "message",
      "reason",
      "reportingController",
    ]);
  });

  it("OA-005: an older version of the object's API has the same group", () => {
    const older = withEntries(
      { "helm.toolkit.fluxcd.io/revision": "1" },
      { involvedObject: { ...reference.involvedObject, apiVersion: "helm.toolkit.fluxcd.io/v2beta2" } },
    );
    expect(cleanMetadata(older).metadata).toEqual({ "helm.toolkit.fluxcd.io/revision": "1" });
  });
});

describe("the key of the rate limit", () => {
  it("EI-005: is Flux's", () => {
    expect(rateLimitKey(reference)).toBe("54dc6118294cc92b6d476b4109ca8b01388193c9395947728242d80ab738830e");
  });

  it.each([
    ["revision", withEntries({ [`${group}/revision`]: "other" })],
    ["originRevision", withEntries({ ...reference.metadata, [`${group}/originRevision`]: "o" })],
    ["token", withEntries({ ...reference.metadata, [`${group}/token`]: "t" })],
    ["message", { ...reference, message: "other" }],
    ["name", { ...reference, involvedObject: { ...reference.involvedObject, name: "other" } }],
    ["namespace", { ...reference, involvedObject: { ...reference.involvedObject, namespace: "other" } }],
    ["kind", { ...reference, involvedObject: { ...reference.involvedObject, kind: "HelmRelease" } }],
  ])("EI-005: another %s is another event", (_, event) => {
    expect(rateLimitKey(event)).not.toBe(rateLimitKey(reference));
  });

  it.each([
    ["severity", { ...reference, severity: "info" as const }],
    ["reason", { ...reference, reason: "other" }],
    ["other metadata", withEntries({ ...reference.metadata, "event.toolkit.fluxcd.io/x": "y" })],
  ])("EI-005: another %s is the same event", (_, event) => {
    expect(rateLimitKey(event)).toBe(rateLimitKey(reference));
  });
});

describe("metadata on its way out", () => {
  const sources = { providerRef: { name: "p" }, eventSources: [] };
  const names = {
    annotation: "involved object annotations",
    eventMetadata: "Alert object .spec.eventMetadata",
    summary: "Alert object .spec.summary",
    controller: "involved object controller metadata",
  };
  const annotation = { "event.toolkit.fluxcd.io/summary": "annotation" };
  const controller = { [`${group}/summary`]: "controller" };
  const alert = { eventMetadata: { summary: "eventMetadata" } };

  it.each([
    ["annotation", "eventMetadata", annotation, alert],
    ["annotation", "summary", annotation, { summary: "summary" }],
    ["annotation", "controller", { ...annotation, ...controller }, {}],
    ["eventMetadata", "summary", {}, { ...alert, summary: "summary" }],
    ["eventMetadata", "controller", controller, alert],
    ["summary", "controller", controller, { summary: "summary" }],
  ] as const)("MD-001, MD-002: %s gives way to %s, and the conflict is named", (loser, winner, metadata, spec) => {
    const { event, conflicts } = mergeMetadata(withEntries(metadata), { ...sources, ...spec });
    expect(event.metadata).toEqual({ summary: winner });
    expect(conflicts).toEqual({ summary: `${names[loser]}, ${names[winner]}` });
  });

  it("MD-003, HC-006: leaves the event itself alone, and sorts by key", () => {
    const event = withEntries({ [`${group}/revision`]: "r", "event.toolkit.fluxcd.io/b": "1" });
    const before = structuredClone(event);
    const merged = mergeMetadata(event, { ...sources, eventMetadata: { a: "0" } });
    expect(Object.keys(merged.event.metadata ?? {})).toEqual(["a", "b", "revision"]);
    expect(merged.conflicts).toEqual({});
    expect(event).toEqual(before);
  });
});

describe("parseEvent", () => {
  it("EV-001: reads back what was written, without what it does not know", () => {
    expect(parseEvent(JSON.parse(JSON.stringify({ ...reference, extra: 1 })))).toEqual(reference);
  });

  it.each([
    [null],
    [{}],
    [{ ...reference, severity: "loud" }],
    [{ ...reference, involvedObject: { ...reference.involvedObject, name: "" } }],
    [{ ...reference, involvedObject: { ...reference.involvedObject, namespace: 7 } }],
  ])("EV-009: %j is no event", (value) => {
    expect(parseEvent(value)).toBeUndefined();
  });
});
