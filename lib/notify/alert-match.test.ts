import { describe, expect, it } from "vitest";
import type { Alert, AlertSpec } from "../api/alert.ts";
import { matchAlert } from "./alert-match.ts";
import type { NotificationEvent } from "./event.ts";

const event: NotificationEvent = {
  involvedObject: {
    kind: "Kustomization",
    namespace: "apps",
    name: "web",
    uid: "u",
    apiVersion: "kustomize.toolkit.fluxcd.io/v1",
  },
  severity: "info",
  timestamp: "2026-01-02T03:04:05Z",
  message: "Reconciliation finished: größer",
  reason: "ReconciliationSucceeded",
  reportingController: "kustomize-controller",
};

const source = { kind: "Kustomization", name: "web" } as const;

async function match(spec: Partial<AlertSpec>, labels?: Record<string, string>, told: NotificationEvent = event) {
  const alert: Alert = {
    apiVersion: "notification.toolkit.fluxcd.io/v1beta3",
    kind: "Alert",
    metadata: { name: "alert", namespace: "apps" },
    spec: { providerRef: { name: "p" }, eventSources: [source], ...spec },
  };
  return matchAlert(alert, told, () =>
    labels === undefined ? Promise.reject(new Error("gone")) : Promise.resolve(labels),
  );
}

const matches = async (...args: Parameters<typeof match>) => (await match(...args)).matches;

describe("sources", () => {
  it.each([
    ["the name", [source], true],
    ["any name", [{ ...source, name: "*" }], true],
    ["the namespace spelt out", [{ ...source, namespace: "apps" }], true],
    ["the second of two", [{ ...source, name: "api" }, source], true],
    ["another name", [{ ...source, name: "api" }], false],
    ["another kind", [{ ...source, kind: "HelmRelease" as const }], false],
    ["another namespace", [{ ...source, namespace: "other" }], false],
    ["a namespace as a wildcard", [{ ...source, namespace: "*" }], false],
    ["an API version that is ignored", [{ ...source, apiVersion: "any/v9" }], true],
  ])("AL-002, AL-003: %s", async (_, eventSources, expected) => {
    expect(await matches({ eventSources })).toBe(expected);
  });

  it("AL-004: `error` takes failures only, and nothing said takes all", async () => {
    const failure: NotificationEvent = { ...event, severity: "error" };
    expect(await matches({ eventSeverity: "error" })).toBe(false);
    expect(await matches({ eventSeverity: "error" }, {}, failure)).toBe(true);
    expect(await matches({ eventSeverity: "info" }, {}, failure)).toBe(true);
    expect(await matches({})).toBe(true);
  });

  it("AL-005: all labels must be the object's, also with a name", async () => {
    const eventSources = [{ ...source, matchLabels: { team: "a", tier: "1" } }];
    expect(await matches({ eventSources }, { team: "a", tier: "1", more: "x" })).toBe(true);
    expect(await matches({ eventSources }, { team: "a" })).toBe(false);
  });

  it("AL-005: an object that cannot be read, and labels that are none, are said", async () => {
    expect(await match({ eventSources: [{ ...source, matchLabels: { team: "a" } }] })).toEqual({
      matches: false,
      warnings: [{ reason: "SourceFetchFailed", message: "error getting source object Kustomization/apps/web" }],
    });
    expect(await match({ eventSources: [{ ...source, matchLabels: { "a b": "c" } }] }, {})).toEqual({
      matches: false,
      warnings: [
        { reason: "InvalidConfig", message: "error using matchLabels from event source Kustomization/apps/web" },
      ],
    });
  });

  it("AL-008: a suspended Alert takes nothing", async () => {
    expect(await matches({ suspend: true })).toBe(false);
  });
});

describe("messages", () => {
  it.each([
    ["finished", true],
    ["(?i)RECONCILIATION", true],
    ["gr\\pL+er", true],
    ["[[:alpha:]]+ finished", true],
    ["\\AReconciliation", true],
    ["größer\\z", true],
    ["^finished", false],
    ["failed", false],
  ])("AL-006: the inclusion %s", async (expression, expected) => {
    expect(await matches({ inclusionList: [expression] })).toBe(expected);
  });

  it("AL-006: what RE2 does not have is said and skipped", async () => {
    const only = await match({ inclusionList: ["(?=x)"] });
    expect(only).toEqual({
      matches: false,
      warnings: [{ reason: "InvalidConfig", message: "failed to compile inclusion regex: (?=x)" }],
    });
    expect(await matches({ inclusionList: ["(?=x)", "finished"] })).toBe(true);
  });

  it("AL-006, TM-007: what takes too many steps is said and skipped, at once", async () => {
    const before = performance.now();
    const wide = "(a?){1000}".repeat(60);
    const { matches: taken, warnings } = await match({ inclusionList: [wide, "a".repeat(1001)] });
    expect([taken, warnings.length]).toEqual([false, 2]);
    expect(performance.now() - before).toBeLessThan(3000);
  });

  it("AL-007: an exclusion beats an inclusion, and an invalid one excludes nothing", async () => {
    expect(await matches({ inclusionList: ["finished"], exclusionList: ["größer$"] })).toBe(false);
    expect(await match({ exclusionList: ["("] })).toEqual({
      matches: true,
      warnings: [{ reason: "InvalidConfig", message: "failed to compile exclusion regex: (" }],
    });
  });

  it("AL-006: an expression that blows up elsewhere is linear here", async () => {
    const told = { ...event, message: `${"a".repeat(5000)}!` };
    const start = performance.now();
    expect(await matches({ inclusionList: ["^(a+)+$"] }, {}, told)).toBe(false);
    expect(performance.now() - start).toBeLessThan(2000);
  });
});
