import { describe, expect, it, vi } from "vitest";
import { formatWorkItem, type WorkItem } from "../engine/work-item.ts";
import type { LocalPlatform } from "../platform/local/platform.ts";
import { createLiveView, type Step } from "./live-view.ts";

const revision = "main@sha1:1a2b3c4d5e6f708192a3b4c5d6e7f80912345678";
const source = { kind: "GitRepository", namespace: "flux-system", name: "sample" };
const app = { kind: "Kustomization", namespace: "flux-system", name: "sample" };

function view() {
  const steps: Step[] = [];
  const sent: string[] = [];
  const live = createLiveView((step) => steps.push(step));
  const queue: LocalPlatform["queue"] = {
    send: async (name) => void sent.push(name),
    sendLater: async () => undefined,
  };
  const { send } = live.wrap({ queue } as LocalPlatform).queue;
  const event = (involvedObject: typeof app, reason: string, message: string, severity = "info", more = {}) =>
    send("notification", [
      {
        body: JSON.stringify({
          cluster: "default",
          ...more,
          event: {
            involvedObject,
            severity,
            reason,
            message,
            metadata: { "kustomize.toolkit.fluxcd.io/revision": revision },
          },
        }),
        group: "g",
        deduplication: "d",
      },
    ]);
  const work = (cause: WorkItem["cause"], of: typeof app = source) =>
    send("source", [
      formatWorkItem({
        cluster: "default",
        ...of,
        kind: of.kind === "Kustomization" ? "Kustomization" : "GitRepository",
        cause,
      }),
    ]);
  const told = () =>
    steps.splice(0).map(({ step, object, detail, seconds }) => `${step} ${object} ${detail} ${seconds !== undefined}`);
  return { live, sent, event, work, told, steps };
}

describe("the live view", () => {
  it("tells a push step by step, each with the time since the push", async () => {
    const { live, event, work, told, sent } = view();
    live.pushed(source, { branch: "main", commit: "1a2b3c4d5e6f", subject: "Say hello" });
    await work({ type: "webhook", receiver: "flux-system/sample", token: "t" });
    await event(source, "NewArtifact", "stored artifact for commit 'Say hello'");
    await event(
      app,
      "Progressing",
      "ConfigMap/a/a created\nConfigMap/a/b created\nConfigMap/a/c created\nConfigMap/a/d created",
    );
    await event(app, "Progressing", "Health check passed in 100ms");
    await event(app, "ReconciliationSucceeded", "Reconciliation finished in 1s, next run in 10m0s");
    expect(told()).toEqual([
      "push GitRepository/flux-system/sample main@1a2b3c4 'Say hello' false",
      "webhook GitRepository/flux-system/sample by Receiver flux-system/sample true",
      "fetched GitRepository/flux-system/sample main@1a2b3c4 'Say hello' true",
      "applied Kustomization/flux-system/sample main@1a2b3c4 ConfigMap/a/a created, ConfigMap/a/b created, ConfigMap/a/c created and 1 more true",
      "healthy Kustomization/flux-system/sample main@1a2b3c4 true",
    ]);
    expect(sent).toHaveLength(5);
  });

  it("tells an event once, however many channels it goes on to", async () => {
    const { event, told } = view();
    await event(app, "Progressing", "ConfigMap/a/a created");
    const delivery = { namespace: "flux-system", alert: "all", failed: 0, warned: false };
    await event(app, "Progressing", "ConfigMap/a/a created", "info", { delivery });
    expect(told()).toHaveLength(1);
  });

  it("says nothing of a pass that changed nothing, and a failure and its end each once", async () => {
    const { event, told } = view();
    await event(app, "ReconciliationSucceeded", "Reconciliation finished");
    await event(app, "ReconciliationSucceeded", "Reconciliation finished");
    for (let attempt = 1; attempt <= 3; attempt++)
      await event(app, "BuildFailed", "kustomize build failed:\nmissing file", "error");
    await event(app, "ReconciliationSucceeded", "Reconciliation finished");
    expect(told()).toEqual([
      "ready Kustomization/flux-system/sample main@1a2b3c4 false",
      "failed Kustomization/flux-system/sample BuildFailed: kustomize build failed: false",
      "ready Kustomization/flux-system/sample main@1a2b3c4 false",
    ]);
  });

  it("counts the time of a repair from the change by hand, not from the push before it", async () => {
    const now = vi.spyOn(Date, "now");
    const { live, event, work, steps } = view();
    now.mockReturnValue(1_000_000);
    live.pushed(source, { branch: "main", commit: "1a2b3c4d5e6f", subject: "Say hello" });
    await event(source, "NewArtifact", "stored artifact for commit 'Say hello'");
    now.mockReturnValue(1_060_000);
    await work({ type: "drift", uid: "u", by: "jane", object: "ConfigMap/apps/hello" }, app);
    now.mockReturnValue(1_060_250);
    await event(app, "Progressing", "ConfigMap/apps/hello configured");
    now.mockRestore();
    expect(steps.at(-1)).toMatchObject({ step: "applied", seconds: 0.25 });
  });

  it("names who changed what Sluice manages", async () => {
    const { work, told } = view();
    await work({ type: "drift", uid: "u", by: "jane", object: "ConfigMap/apps/hello" }, app);
    expect(told()).toEqual(["drift Kustomization/flux-system/sample ConfigMap/apps/hello was changed by jane false"]);
  });
});
