import { join } from "node:path";
import type { KubernetesObject } from "../../lib/api/object.ts";
import { createObject } from "../../lib/cluster/objects.ts";
import { startControlPlane } from "../../lib/host/control-plane/control-plane.ts";
import { endAll } from "../../lib/host/end-all.ts";
import { connectTo } from "../bed/installed.ts";
import { startSluice } from "../bed/sluice.ts";
import { startControllers } from "./controllers.ts";
import { apiVersions } from "./kinds.ts";
import { startRecorder } from "./recorder.ts";
import type { Side } from "./side.ts";

/** The two that are compared, each in a control plane of its own. */
export type Sides = { both: readonly [flux: Side, sluice: Side]; stop(): Promise<void> };

/** Starts them; `directory` gets data and logs of all. */
export async function startSides(directory: string, log: (line: string) => void): Promise<Sides> {
  const ending: (() => Promise<void>)[] = [];
  const stop = () => endAll(ending);
  try {
    const recorder = await startRecorder();
    ending.push(recorder.stop);
    const plane = await startControlPlane({ directory: join(directory, "flux-control-plane"), log });
    ending.push(plane.stop);
    const flux = connectTo(plane);
    const controllers = await startControllers({
      client: flux,
      kubeconfigPath: plane.kubeconfigPath,
      directory,
      events: `${recorder.url}/flux`,
      log,
    });
    ending.push(controllers.stop);
    const running = await startSluice({ directory: join(directory, "sluice"), log });
    ending.push(running.stop);
    const sluice = connectTo(running.cluster);
    const namespaceOf = (name: string): KubernetesObject => ({
      apiVersion: "v1",
      kind: "Namespace",
      metadata: { name },
    });
    return {
      both: [
        {
          name: "flux",
          client: flux,
          fileOf: controllers.fileOf,
          posted: () => recorder.told("/flux"),
          openNamespace: async (name) => void (await createObject(flux, namespaceOf(name))),
        },
        {
          name: "sluice",
          client: sluice,
          fileOf: (_kind, path) => join(running.artifacts, "bed", path),
          posted: () => recorder.told("/sluice"),
          openNamespace: async (name) => {
            await createObject(sluice, namespaceOf(name));
            for (const object of toldOf(name, `${recorder.url}/sluice`)) await createObject(sluice, object);
          },
        },
      ],
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** What lets Sluice tell a webhook all that Flux's controllers tell the notification controller. */
function toldOf(namespace: string, address: string): KubernetesObject[] {
  const apiVersion = "notification.toolkit.fluxcd.io/v1beta3";
  const metadata = { name: "recorder", namespace };
  const eventSources = Object.keys(apiVersions).map((kind) => ({ kind, name: "*" }));
  return [
    { apiVersion, kind: "Provider", metadata, spec: { type: "generic", address } },
    {
      apiVersion,
      kind: "Alert",
      metadata,
      spec: { providerRef: { name: "recorder" }, eventSeverity: "info", eventSources },
    },
  ];
}
