import { describe, expect, it } from "vitest";
import { needsOf, type Readiness } from "./readiness.ts";
import { explainReadiness } from "./readiness-text.ts";

const now = new Date("2026-03-01T12:00:00Z");

function condition(type: string, status: "True" | "False" | "Unknown", reason: string, message: string) {
  return { type, status, reason, message, lastTransitionTime: "2026-03-01T10:55:00Z" };
}

function readiness(changes: Partial<Readiness> = {}): Readiness {
  return {
    object: {
      apiVersion: "source.toolkit.fluxcd.io/v1",
      kind: "GitRepository",
      metadata: { name: "web", namespace: "team-a", generation: 2 },
      spec: { interval: "10m" },
      status: {
        observedGeneration: 1,
        conditions: [
          condition("Ready", "False", "GitOperationFailed", "failed to list: connect ECONNREFUSED\u001b[2J"),
        ],
      },
    },
    component: "source-controller",
    owner: "sluice",
    refusedGates: [],
    needs: [],
    events: [],
    ...changes,
  };
}

function warning(name: string, annotations: Record<string, string>) {
  return {
    apiVersion: "v1",
    kind: "Event",
    metadata: { name, annotations },
    type: "Warning",
    reason: "GitOperationFailed",
    message: "failed to list:\n  refused",
    lastTimestamp: "2026-03-01T11:59:30Z",
  };
}

describe("why an object is not ready", () => {
  it("SB-010: is told with the failed step, the next attempt and what is needed", () => {
    const events = [
      warning("web.1", { "sluice.dev/step": "verify", "sluice.dev/duration": "1s" }),
      warning("web.2", {
        "sluice.dev/step": "fetch",
        "sluice.dev/duration": "1.25s",
        "sluice.dev/next-attempt": "2026-03-01T12:01:12Z",
      }),
    ];
    const reference = { apiVersion: "source.toolkit.fluxcd.io/v1", kind: "GitRepository", namespace: "team-a" };
    const base = { ...readiness().object, metadata: { name: "base", namespace: "team-a" }, spec: { suspend: true } };
    const needs = [
      { reference: { ...reference, name: "base" }, object: base },
      { reference: { ...reference, name: "none" }, object: "absent" as const },
    ];
    expect(explainReadiness(readiness({ events, needs }), now)).toEqual([
      "GitRepository/web in team-a is not ready: GitOperationFailed",
      "  failed to list: connect ECONNREFUSED [2J",
      "  since:       2026-03-01T10:55:00Z (1h5m ago)",
      "  generation:  2; 1 is the last one that a look has done with",
      "  failed:      at the step fetch, after 1.25s",
      "  next:        attempt 2026-03-01T12:01:12Z (in 1m12s)",
      "  owner:       Sluice does the work of source-controller here",
      "  needs:       GitRepository/base in team-a, which is not ready: GitOperationFailed, suspended",
      "    failed to list: connect ECONNREFUSED [2J",
      "  needs:       GitRepository/none in team-a, which does not exist",
      "  warnings:    the last of its Events",
      "    2026-03-01T11:59:30Z (30s ago) GitOperationFailed: failed to list: refused",
      "    2026-03-01T11:59:30Z (30s ago) GitOperationFailed: failed to list: refused",
    ]);
  });

  it("SB-010: names what keeps it from being looked at, and then no next attempt", () => {
    const { object } = readiness();
    const next = { "sluice.dev/step": "fetch", "sluice.dev/next-attempt": "2026-03-01T12:01:12Z" };
    const held = {
      ...object,
      metadata: { ...object.metadata, annotations: { "reconcile.fluxcd.io/requestedAt": "now" } },
      spec: { suspend: true },
      status: { ...object.status, conditions: [condition("Stalled", "True", "URLInvalid", "no")] },
    };
    const lines = explainReadiness(
      readiness({ object: held, owner: "controller", events: [warning("web.1", next)] }),
      now,
    );
    expect(lines).toEqual(
      expect.arrayContaining([
        "GitRepository/web in team-a says nothing of Ready: it was not looked at yet",
        "  suspended:   nothing is done until it is resumed",
        "  stalled:     nothing is tried again until the object changes or a look is asked for (URLInvalid)",
        "  asked:       for a look at now, which is not answered yet",
        "  owner:       source-controller runs in the cluster itself: Sluice leaves its kinds alone",
      ]),
    );
    expect(lines.filter((line) => line.includes("next:"))).toEqual([]);
  });

  it("SB-010, EA-004: follows every way in which one object refers to another", () => {
    const of = (kind: string, spec: unknown) =>
      needsOf({ apiVersion: "v1", kind, metadata: { name: "a", namespace: "home" }, spec }).map(
        (reference) => `${reference.kind}/${reference.namespace}/${reference.name}`,
      );
    expect(of("HelmChart", { sourceRef: { kind: "HelmRepository", name: "charts" } })).toEqual([
      "HelmRepository/home/charts",
    ]);
    expect(of("GitRepository", { include: [{ repository: { name: "b" } }, {}] })).toEqual(["GitRepository/home/b"]);
    expect(
      of("Kustomization", { sourceRef: { kind: "Bucket", name: "b", namespace: "x" }, dependsOn: [{ name: "c" }] }),
    ).toEqual(["Bucket/x/b", "Kustomization/home/c"]);
    expect(of("ArtifactGenerator", { sources: [{ alias: "a", kind: "OCIRepository", name: "o" }] })).toEqual([
      "OCIRepository/home/o",
    ]);
    expect(of("ExternalArtifact", { sourceRef: { kind: "GitRepository", name: "g" } })).toEqual([
      "GitRepository/home/g",
    ]);
    expect(of("ExternalArtifact", { sourceRef: { kind: "Other", name: "o" } })).toEqual([]);
  });
});
