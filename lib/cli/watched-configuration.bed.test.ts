import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type AdmissionListener, startAdmissionListener } from "../../test/bed/admission-listener.ts";
import { connectTo } from "../../test/bed/installed.ts";
import type { KubernetesObject } from "../api/object.ts";
import type { ClusterClient } from "../cluster/client.ts";
import { createObject, findObject, patchObject } from "../cluster/objects.ts";
import { type ControlPlane, startControlPlane } from "../host/control-plane/control-plane.ts";
import { installInto } from "./install-cluster.ts";

let directory: string;
let controlPlane: ControlPlane;
let client: ClusterClient;
let listener: AdmissionListener;

/** Flags of a placeholder, and a webhook for all of a cluster, are nothing for the run's own. */
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "sluice-watched-"));
  controlPlane = await startControlPlane({ directory });
  client = connectTo(controlPlane);
  listener = await startAdmissionListener();
});

afterAll(async () => {
  await listener?.close();
  await controlPlane?.stop();
  await rm(directory, { recursive: true, force: true });
});

async function install(): Promise<string[]> {
  const lines: string[] = [];
  const { url: endpoint, certificateAuthority } = listener;
  await installInto(client, {
    clusterId: "a",
    admission: { endpoint, certificateAuthority, seed: "a seed of enough characters" },
    say: (line) => lines.push(line),
  });
  return lines;
}

const placeholder = {
  apiVersion: "apps/v1",
  kind: "Deployment",
  namespace: "flux-system",
  name: "kustomize-controller",
};

async function setArgs(...args: string[]): Promise<void> {
  const path = "/spec/template/spec/containers/0/args";
  await patchObject(client, placeholder, { json: [{ op: "replace", path, value: args }] }, { fieldManager: "kubectl" });
}

/** What the API server holds of the third webhook. */
async function selector(): Promise<unknown> {
  const apiVersion = "admissionregistration.k8s.io/v1";
  const reference = { apiVersion, kind: "ValidatingWebhookConfiguration", name: "sluice-flux-system" };
  type Webhook = { name: string; objectSelector: unknown };
  const found = await findObject<{ webhooks: Webhook[] }>(client, reference);
  return found?.webhooks.find(({ name }) => name === "configuration.sluice.dev")?.objectSelector;
}

let made = 0;

/** Whether the API server calls for these, each a ConfigMap with its labels: it learns of a changed webhook a moment later. */
async function calls(labels: Record<string, string>[]): Promise<boolean[]> {
  listener.calls.length = 0;
  const names: string[] = [];
  for (const each of labels) {
    made += 1;
    const metadata = { name: `watched-${made}`, namespace: "default", labels: each };
    names.push(metadata.name);
    await createObject(client, { apiVersion: "v1", kind: "ConfigMap", metadata } as KubernetesObject);
  }
  const told = new Set(listener.calls.map(({ name }) => name));
  return names.map((name) => told.has(name));
}

const enabled = { "reconcile.fluxcd.io/watch": "Enabled" };

describe("which ConfigMaps and Secrets an installation has the cluster tell of", () => {
  it("KS-009: those with Flux's label where the placeholder has no flag, and installing again changes nothing", async () => {
    await install();
    expect(await selector()).toEqual({
      matchExpressions: [{ key: "reconcile.fluxcd.io/watch", operator: "In", values: ["Enabled"] }],
    });
    await expect.poll(() => calls([enabled, {}, { app: "shop" }])).toEqual([true, false, false]);
    const again = await install();
    expect(again.filter((line) => !line.endsWith(" unchanged"))).toEqual([]);
    expect(again).toContain("ValidatingWebhookConfiguration/sluice-flux-system unchanged");
    expect(again).toContain("CustomResourceDefinition/kustomizations.kustomize.toolkit.fluxcd.io unchanged");
  });

  it("KS-009: those of the placeholder's --watch-configs-label-selector, from the next installation on", async () => {
    await setArgs("--watch-configs-label-selector=app in (shop,bar),!old");
    expect(await install()).toContain("ValidatingWebhookConfiguration/sluice-flux-system applied");
    await expect
      .poll(() => calls([enabled, { app: "shop" }, { app: "bar", old: "" }, { app: "other" }]))
      .toEqual([false, true, false, false]);

    await setArgs("--watch-configs-label-selector", "size>5");
    await install();
    await expect.poll(() => calls([{ size: "9" }, { app: "shop" }])).toEqual([true, false]);
  });

  it("KS-009: all of them where the flag is empty, which is said", async () => {
    await setArgs("--watch-configs-label-selector=");
    expect(await install()).toContain(
      "Every ConfigMap and Secret is told of at each change: --watch-configs-label-selector of kustomize-controller is empty.",
    );
    await expect.poll(() => calls([{}, enabled])).toEqual([true, true]);
  });

  it("KS-009: a flag that is no selector is refused in a sentence, and what was watched stays so", async () => {
    const before = await selector();
    await setArgs("--watch-configs-label-selector=a b");
    await expect(install()).rejects.toThrow(
      /^--watch-configs-label-selector of the placeholder kustomize-controller is 'a b', which is no label selector: unable to parse requirement: found 'b', expected: .*\. Correct the Deployment's args and install again$/,
    );
    expect(await selector()).toEqual(before);
  });

  it("KS-009: none where the gate DisableConfigWatchers is on, and again once it is off", async () => {
    await setArgs("--feature-gates=DisableConfigWatchers=true");
    expect(await install()).toContain(
      "No ConfigMap or Secret wakes who refers to it: kustomize-controller has the gate DisableConfigWatchers.",
    );
    expect(await selector()).toBeUndefined();
    await expect.poll(() => calls([enabled, {}])).toEqual([false, false]);
    await setArgs();
    await install();
    await expect.poll(() => calls([enabled, {}])).toEqual([true, false]);
  });
});
