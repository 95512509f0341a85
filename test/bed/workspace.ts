import { createHmac } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { request } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { formatWithOptions } from "node:util";
import type { Condition } from "../../lib/api/condition.ts";
import type { GitRepositorySpec } from "../../lib/api/git-repository.ts";
import type { KustomizationSpec, KustomizationStatus } from "../../lib/api/kustomization.ts";
import type { KubernetesObject } from "../../lib/api/object.ts";
import type { ClusterClient } from "../../lib/cluster/client.ts";
import { applyObject, createObject, findObject, listObjects, patchObject } from "../../lib/cluster/objects.ts";
import type { GitRepository } from "../../lib/host/git/repository.ts";
import { bedPart, uniqueName } from "./bed.ts";
import { type GitServer, type GitServerOptions, startGitServer } from "./git/git-server.ts";
import { connectTo } from "./installed.ts";
import type { RunningSluice } from "./sluice.ts";

/** An object with the status that Flux's kinds have. */
export type Reconciled = KubernetesObject & {
  spec: Record<string, unknown>;
  status?: KustomizationStatus & {
    conditions?: Condition[];
    artifact?: { revision: string; digest: string; url: string; path: string; size?: number };
    webhookPath?: string;
  };
};

/** A core/v1 Event, as far as tests read it. */
export type RecordedEvent = KubernetesObject & {
  type: string;
  reason: string;
  message: string;
  source: { component: string };
};

/** What one test file works with: a namespace of its own in Sluice's cluster, and a Git server. */
export type Workspace = {
  sluice: RunningSluice;
  client: ClusterClient;
  namespace: string;
  git: GitServer;
  repository(files: Record<string, string | null>): Promise<GitRepository>;
  /** Creates an object in the namespace, as a user. */
  create(object: KubernetesObject): Promise<KubernetesObject>;
  gitRepository(name: string, url: string, spec?: Partial<GitRepositorySpec>): Promise<KubernetesObject>;
  kustomization(name: string, spec?: Partial<KustomizationSpec>): Promise<KubernetesObject>;
  /**
   * A Secret with `token`, a Receiver of the type that wakes these resources, and a function that calls it as its sender does, which may
   * say what commit `main` was moved to.
   */
  receiver(
    name: string,
    type: "generic" | "generic-hmac" | "github",
    resources: { kind: string; name: string }[],
  ): Promise<(commit?: string) => Promise<number>>;
  find(kind: keyof typeof apiVersions, name: string): Promise<Reconciled | undefined>;
  /** Reads an object until it is as wanted; rejects with what it was like at last. */
  until(
    kind: keyof typeof apiVersions,
    name: string,
    wanted: (object: Reconciled) => boolean,
    seconds?: number,
  ): Promise<Reconciled>;
  /** Until the condition Ready is True at the object's generation. */
  untilReady(kind: keyof typeof apiVersions, name: string, seconds?: number): Promise<Reconciled>;
  untilGone(kind: keyof typeof apiVersions, name: string, seconds?: number): Promise<void>;
  /** Sets `reconcile.fluxcd.io/requestedAt`, as `flux reconcile` does, and resolves with the value. */
  reconcile(kind: keyof typeof apiVersions, name: string): Promise<string>;
  patch(kind: keyof typeof apiVersions, name: string, merge: unknown, fieldManager?: string): Promise<void>;
  /** Events of one object in the order of their names, which is the order of time. */
  events(kind: string, name: string): Promise<RecordedEvent[]>;
  close(): Promise<void>;
};

/** The kinds that tests name in short. */
export const apiVersions = {
  GitRepository: "source.toolkit.fluxcd.io/v1",
  OCIRepository: "source.toolkit.fluxcd.io/v1",
  Bucket: "source.toolkit.fluxcd.io/v1",
  HelmRepository: "source.toolkit.fluxcd.io/v1",
  HelmChart: "source.toolkit.fluxcd.io/v1",
  ExternalArtifact: "source.toolkit.fluxcd.io/v1",
  ArtifactGenerator: "source.extensions.fluxcd.io/v1beta1",
  Kustomization: "kustomize.toolkit.fluxcd.io/v1",
  HelmRelease: "helm.toolkit.fluxcd.io/v2",
  Receiver: "notification.toolkit.fluxcd.io/v1",
  Provider: "notification.toolkit.fluxcd.io/v1beta3",
  Alert: "notification.toolkit.fluxcd.io/v1beta3",
  ConfigMap: "v1",
  Secret: "v1",
  Namespace: "v1",
  Service: "v1",
  ServiceAccount: "v1",
  Deployment: "apps/v1",
  Job: "batch/v1",
} as const;

/** Opens a workspace in the run's Sluice, or in another one, and in a namespace of its own or in one that somebody else makes. */
export async function openWorkspace(
  prefix: string,
  options: { sluice?: RunningSluice; git?: Omit<GitServerOptions, "directory">; namespace?: string } = {},
): Promise<Workspace> {
  const sluice = options.sluice ?? (await bedPart("sluice"));
  const client = connectTo(sluice.cluster);
  const namespace = options.namespace ?? uniqueName(prefix);
  if (options.namespace === undefined)
    await createObject(client, { apiVersion: "v1", kind: "Namespace", metadata: { name: namespace } });
  const directory = await mkdtemp(join(tmpdir(), "sluice-workspace-"));
  const git = await startGitServer({ directory, ...options.git });

  const reference = (kind: keyof typeof apiVersions, name: string) => ({
    apiVersion: apiVersions[kind],
    kind,
    name,
    ...(kind === "Namespace" ? {} : { namespace }),
  });
  const find: Workspace["find"] = (kind, name) => findObject<Reconciled>(client, reference(kind, name));
  const until: Workspace["until"] = async (kind, name, wanted, seconds = 20) => {
    const giveUp = Date.now() + seconds * 1000;
    for (;;) {
      const object = await find(kind, name);
      if (object !== undefined && wanted(object)) return object;
      if (Date.now() > giveUp) {
        const state =
          object === undefined ? "it is not there" : formatWithOptions({ depth: 8 }, "%o", object.status ?? object);
        throw new Error(`${kind}/${name} is not as wanted after ${seconds} s: ${state}`);
      }
      await sleep(20);
    }
  };
  const create: Workspace["create"] = (object) =>
    createObject(client, { ...object, metadata: { namespace, ...object.metadata } });

  return {
    sluice,
    client,
    namespace,
    git,
    repository: async (files) => {
      const repository = await git.repository(uniqueName("repository"));
      await repository.commit(files);
      return repository;
    },
    create,
    gitRepository: (name, url, spec) =>
      create({
        apiVersion: apiVersions.GitRepository,
        kind: "GitRepository",
        metadata: { name },
        spec: { url, interval: "1h", ref: { branch: "main" }, ...spec },
      }),
    kustomization: (name, spec) =>
      create({
        apiVersion: apiVersions.Kustomization,
        kind: "Kustomization",
        metadata: { name },
        spec: {
          interval: "1h",
          prune: true,
          sourceRef: { kind: "GitRepository", name: "source" },
          targetNamespace: namespace,
          ...spec,
        },
      }),
    receiver: async (name, type, resources) => {
      const token = uniqueName("token");
      await create({ apiVersion: "v1", kind: "Secret", metadata: { name }, stringData: { token } });
      await create({
        apiVersion: apiVersions.Receiver,
        kind: "Receiver",
        metadata: { name },
        spec: { type, secretRef: { name }, resources },
      });
      const { status } = await until("Receiver", name, (object) => object.status?.webhookPath !== undefined);
      const path = status?.webhookPath ?? "";
      return (commit) => callHook(sluice, path, type, token, commit);
    },
    find,
    until,
    untilReady: (kind, name, seconds) => until(kind, name, isReady, seconds),
    untilGone: async (kind, name, seconds = 20) => {
      const giveUp = Date.now() + seconds * 1000;
      for (;;) {
        const object = await find(kind, name);
        if (object === undefined) return;
        if (Date.now() > giveUp) throw new Error(`${kind}/${name} is still there after ${seconds} s`);
        await sleep(20);
      }
    },
    reconcile: async (kind, name) => {
      const requestedAt = new Date().toISOString();
      const merge = { metadata: { annotations: { "reconcile.fluxcd.io/requestedAt": requestedAt } } };
      await patchObject(client, reference(kind, name), { merge }, { fieldManager: "flux" });
      return requestedAt;
    },
    patch: async (kind, name, merge, fieldManager = "kubectl-edit") => {
      await patchObject(client, reference(kind, name), { merge }, { fieldManager });
    },
    events: async (kind, name) => {
      const fieldSelector = `involvedObject.kind=${kind},involvedObject.name=${name}`;
      const events = await listObjects<RecordedEvent>(client, {
        apiVersion: "v1",
        kind: "Event",
        namespace,
        fieldSelector,
      });
      return events.sort((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1));
    },
    close: async () => {
      await git.stop();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** Whether Ready is True and speaks of the object's generation. */
export function isReady({ metadata, status }: Reconciled): boolean {
  const ready = conditionOf(status, "Ready");
  return ready?.status === "True" && ready.observedGeneration === metadata.generation;
}

/** The condition of a status by its type. */
export function conditionOf(status: Reconciled["status"], type: string): Condition | undefined {
  return status?.conditions?.find((condition) => condition.type === type);
}

/** A ConfigMap as a file of a repository. */
export function configMap(name: string, data: Record<string, string>): string {
  return `${JSON.stringify({ apiVersion: "v1", kind: "ConfigMap", metadata: { name }, data }, undefined, 2)}\n`;
}

/** Calls a Receiver as GitHub, or a generic sender, does; resolves with the status code. */
function callHook(
  sluice: RunningSluice,
  path: string,
  type: string,
  token: string,
  after: string | undefined,
): Promise<number> {
  const body = JSON.stringify({ ref: "refs/heads/main", after });
  const digest = createHmac("sha256", token).update(body).digest("hex");
  const headers: Record<string, string> = { "content-type": "application/json" };
  if (type === "github")
    Object.assign(headers, { "x-github-event": "push", "x-hub-signature-256": `sha256=${digest}` });
  if (type === "generic-hmac") headers["x-signature"] = `sha256=${digest}`;
  return post(`${sluice.endpoint}${path}`, sluice.certificateAuthority, headers, body);
}

/** POSTs to the front over TLS; resolves with the status code. */
export function post(url: string, ca: string, headers: Record<string, string>, body: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const sending = request(url, { method: "POST", ca, headers }, (response) => {
      response.resume();
      response.once("end", () => resolve(response.statusCode ?? 0));
    });
    sending.once("error", reject);
    sending.end(body);
  });
}

/** Applies an object as `kubectl apply --server-side` does. */
export async function kubectlApply(client: ClusterClient, object: KubernetesObject): Promise<void> {
  await applyObject(client, object, { fieldManager: "kubectl" });
}
