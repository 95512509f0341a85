import type { KubernetesObject } from "../api/object.ts";
import type { ClusterClient } from "../cluster/client.ts";
import { type DigestAlgorithm, isDigestAlgorithm } from "../platform/artifact-digest.ts";
import type { Clock, Logger } from "../platform/ports.ts";
import { parseGoDuration } from "../text/go-duration.ts";
import { listOf, parseFlags } from "./container-flags.ts";
import { type FeatureGates, readFeatureGates } from "./feature-gates.ts";
import type { Component } from "./kinds.ts";

/** The flags of one Flux controller, as far as they change behaviour. Names and defaults are Flux's (KS section 16, DEF-001). */
export type Settings = {
  /** Namespace that the controllers would run in. */
  runtimeNamespace: string;
  watchAllNamespaces: boolean;
  /** Label selector of the objects to handle; empty handles all (KS-015, SRC-034). */
  watchLabelSelector: string;
  /** Label selector of the ConfigMaps and Secrets whose changes wake who refers to them; empty is all of them (KS-009). */
  watchConfigsLabelSelector: string;
  requeueDependencySeconds: number;
  minRetryDelaySeconds: number;
  maxRetryDelaySeconds: number;
  noCrossNamespaceRefs: boolean;
  noRemoteBases: boolean;
  defaultServiceAccount: string;
  /** ServiceAccount of a remote cluster's ConfigMap that names none (KS-213). */
  defaultKubeconfigServiceAccount: string;
  /**
   * KS-212: what kubeconfigs of tenants may ask for. A program is never run, whatever the first one says: it would have the rights
   * of the function that runs it, on the cluster and in AWS.
   */
  insecureKubeconfigExec: boolean;
  insecureKubeconfigTls: boolean;
  /** KS-217: how many tokens of clouds are kept, and for how long at most. */
  tokenCacheMaxSize: number;
  tokenCacheMaxSeconds: number;
  /** ServiceAccount whose cloud identity decrypts where a Kustomization names none (KS-101); empty for none. */
  defaultDecryptionServiceAccount: string;
  /** Secret in the runtime namespace with age keys for Kustomizations that name no keys of their own (KS-099); empty for none. */
  sopsAgeSecret: string;
  /** ConfigMap in the runtime namespace that names the OpenBao and Vault servers to log in to (KS-104); empty for none. */
  sopsVaultConfigmap: string;
  overrideManagers: string[];
  customApplyStageKinds: string[];
  concurrentSsa: number;
  artifactRetentionSeconds: number;
  artifactRetentionRecords: number;
  /**
   * How many revisions of each source are kept beyond those that are served; 0 for none. The annotation `sluice.dev/artifact-history`
   * of the placeholder, since a Flux controller would not start with a flag that it does not know.
   */
  artifactHistoryRecords: number;
  /** Algorithm of the digests of new artifacts (ART-011). */
  artifactDigestAlgorithm: DigestAlgorithm;
  /** Key exchange and host key algorithms for SSH in order of preference; empty for the usual ones (GIT-060). */
  sshKexAlgos: string[];
  sshHostKeyAlgos: string[];
  /** Bytes of the largest index of a repository, of the largest chart and of the largest file within one (DEF-002). */
  helmIndexMaxBytes: number;
  helmChartMaxBytes: number;
  helmChartFileMaxBytes: number;
  featureGates: Record<string, boolean>;
  /** How long an equal event is not told again (EI-006). */
  rateLimitIntervalSeconds: number;
};

/** One component: whether Sluice does its work in this cluster, and with which flags. */
export type ComponentSettings = { owned: boolean; settings: Settings };

/**
 * Reads a placeholder's container args; the last value of a flag counts, lists add up. The defaults and the gates are those of
 * `component`.
 */
export function parseSettings(
  args: readonly string[],
  runtimeNamespace: string,
  log: Logger,
  annotations: Readonly<Record<string, string>> = {},
  component?: string,
): Settings {
  const flags = parseFlags(args);
  const read = <T>(name: string, fallback: T, parse: (text: string) => T): T => {
    const text = flags.get(name)?.at(-1);
    if (text === undefined) return fallback;
    try {
      return parse(text);
    } catch {
      log.error(`flag --${name} of the placeholder is not valid and its default is used`, { value: text });
      return fallback;
    }
  };
  // A controller of Flux does not start with a value that it cannot read: a lockdown must not end by a slip of the pen.
  const lockdown = (name: string) => flags.has(name) && read(name, true, parseBoolean);
  const seconds = (name: string, fallback: number) => read(name, fallback, (text) => parseGoDuration(text) / 1000);
  const text = (name: string) => read(name, "", (value) => value);
  const list = (name: string) => listOf(flags, name);
  const { gates, problems } = readFeatureGates(list("feature-gates"), component);
  for (const problem of problems) log.error(`${problem}: it is not looked at`, { component });
  return {
    runtimeNamespace,
    watchAllNamespaces: read("watch-all-namespaces", true, parseBoolean),
    watchLabelSelector: text("watch-label-selector"),
    watchConfigsLabelSelector: read(
      "watch-configs-label-selector",
      "reconcile.fluxcd.io/watch=Enabled",
      (value) => value,
    ),
    requeueDependencySeconds: seconds("requeue-dependency", component === "source-watcher" ? 5 : 30),
    minRetryDelaySeconds: seconds("min-retry-delay", 0.75),
    maxRetryDelaySeconds: seconds("max-retry-delay", 900),
    noCrossNamespaceRefs: lockdown("no-cross-namespace-refs"),
    noRemoteBases: lockdown("no-remote-bases"),
    defaultServiceAccount: text("default-service-account"),
    defaultKubeconfigServiceAccount: text("default-kubeconfig-service-account"),
    insecureKubeconfigExec: read("insecure-kubeconfig-exec", false, parseBoolean),
    insecureKubeconfigTls: read("insecure-kubeconfig-tls", false, parseBoolean),
    tokenCacheMaxSize: read("token-cache-max-size", 100, parseCount),
    tokenCacheMaxSeconds: Math.min(seconds("token-cache-max-duration", 3600), 3600),
    defaultDecryptionServiceAccount: text("default-decryption-service-account"),
    sopsAgeSecret: text("sops-age-secret"),
    sopsVaultConfigmap: text("sops-vault-configmap"),
    overrideManagers: list("override-manager"),
    customApplyStageKinds: list("custom-apply-stage-kinds"),
    concurrentSsa: read("concurrent-ssa", 4, parseCount),
    artifactRetentionSeconds: seconds("artifact-retention-ttl", 60),
    rateLimitIntervalSeconds: seconds("rate-limit-interval", 300),
    artifactRetentionRecords: read("artifact-retention-records", 2, parseCount),
    artifactHistoryRecords: historyRecords(annotations["sluice.dev/artifact-history"], log),
    artifactDigestAlgorithm: read("artifact-digest-algo", "sha256", parseDigestAlgorithm),
    sshKexAlgos: list("ssh-kex-algos"),
    sshHostKeyAlgos: list("ssh-hostkey-algos"),
    helmIndexMaxBytes: read("helm-index-max-size", 52_428_800, parseCount),
    helmChartMaxBytes: read("helm-chart-max-size", 10_485_760, parseCount),
    helmChartFileMaxBytes: read("helm-chart-file-max-size", 5_242_880, parseCount),
    featureGates: gates,
  };
}

/**
 * Who owns a component in this cluster, and its flags, read from the placeholder Deployments (design, decision 2):
 * zero replicas mean Sluice, more mean an in-cluster controller, and no placeholder that Sluice was not installed.
 * One LIST, remembered for `freshSeconds`, so that a change of args takes effect without a restart.
 */
export function createSettingsReader(options: {
  clock: Clock;
  log: Logger;
  runtimeNamespace: string;
  freshSeconds: number;
}) {
  const known = new Map<string, { at: number; components: Promise<Map<string, ComponentSettings>> }>();
  return async (clusterId: string, client: ClusterClient, component: Component): Promise<ComponentSettings> => {
    const now = options.clock.now().getTime();
    let entry = known.get(clusterId);
    if (entry === undefined || now - entry.at >= options.freshSeconds * 1000 || now < entry.at) {
      entry = { at: now, components: readComponents(client, options.runtimeNamespace, options.log) };
      entry.components.catch(() => known.delete(clusterId));
      known.set(clusterId, entry);
    }
    const found = (await entry.components).get(component);
    return found ?? { owned: false, settings: parseSettings([], options.runtimeNamespace, options.log) };
  };
}

/** How long flags are remembered, in seconds: a change of a placeholder takes effect within that time. */
const freshSeconds = 5;

type Place = { clock: Clock; log: Logger };

const readers = new WeakMap<Place, Map<string, ReturnType<typeof createSettingsReader>>>();

/** The reader of a platform: all who work on it in one process share what it remembers. */
export function settingsReader(platform: Place, runtimeNamespace: string): ReturnType<typeof createSettingsReader> {
  const ofPlatform = readers.get(platform) ?? new Map();
  readers.set(platform, ofPlatform);
  const { clock, log } = platform;
  const reader =
    ofPlatform.get(runtimeNamespace) ?? createSettingsReader({ clock, log, runtimeNamespace, freshSeconds });
  ofPlatform.set(runtimeNamespace, reader);
  return reader;
}

async function readComponents(
  client: ClusterClient,
  namespace: string,
  log: Logger,
): Promise<Map<string, ComponentSettings>> {
  const placeholders = await listPlaceholders(client, namespace);
  return new Map(
    placeholders.map((deployment) => [
      deployment.metadata.name,
      {
        owned: isPlaceholder(deployment),
        settings: parseSettings(
          [...(ownDefaults[deployment.metadata.name] ?? []), ...argsOf(deployment)],
          namespace,
          log,
          deployment.metadata.annotations,
          deployment.metadata.name,
        ),
      },
    ]),
  );
}

/** The Deployments of Flux's components in a namespace. */
export async function listPlaceholders(client: ClusterClient, namespace: string): Promise<Placeholder[]> {
  const list = await client.request<{ items: Placeholder[] }>({
    method: "GET",
    path: `/apis/apps/v1/namespaces/${namespace}/deployments`,
    query: { labelSelector: "app.kubernetes.io/part-of=flux" },
  });
  return list.items;
}

/** Whether nothing runs of it, so that Sluice does its work. */
export function isPlaceholder({ spec }: Placeholder): boolean {
  return spec?.replicas === 0;
}

/** What is said of a component's gates, and with which of them its controller would not start (DEF-004). */
export function gatesOf(deployment: Placeholder): FeatureGates {
  return readFeatureGates(listOf(parseFlags(argsOf(deployment)), "feature-gates"), deployment.metadata.name);
}

function argsOf({ spec }: Placeholder): string[] {
  return spec?.template?.spec?.containers?.[0]?.args ?? [];
}

/** Flags whose default is another one in a controller than in the others (AG-006). */
const ownDefaults: Readonly<Record<string, string[]>> = { "source-watcher": ["--requeue-dependency=5s"] };

/** A component's Deployment, as far as it is read. */
export type Placeholder = KubernetesObject & {
  spec?: { replicas?: number; template?: { spec?: { containers?: { args?: string[] }[] } } };
};

function parseBoolean(text: string): boolean {
  if (/^(1|t|true)$/i.test(text)) return true;
  if (/^(0|f|false)$/i.test(text)) return false;
  throw new Error("not a boolean");
}

/** A hundred, unless the annotation says otherwise. */
function historyRecords(text: string | undefined, log: Logger): number {
  if (text === undefined) return 100;
  if (/^\d{1,4}$/.test(text)) return Number(text);
  log.error("the annotation sluice.dev/artifact-history of the placeholder is not a count up to 9999: 100 are kept", {
    value: text,
  });
  return 100;
}

function parseDigestAlgorithm(text: string): DigestAlgorithm {
  if (!isDigestAlgorithm(text)) throw new Error("not a digest algorithm");
  return text;
}

function parseCount(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new Error("not a count");
  return Number(text);
}
