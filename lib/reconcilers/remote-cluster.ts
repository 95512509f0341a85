import { createHash } from "node:crypto";
import type { KubernetesObject } from "../api/object.ts";
import type { ClusterClient } from "../cluster/client.ts";
import { type ClusterAddress, type ConnectOptions, connect } from "../cluster/connect.ts";
import { ProgramRefused, parseKubeconfig } from "../cluster/kubeconfig.ts";
import { getObject } from "../cluster/objects.ts";
import type { Context } from "../engine/reconciler.ts";
import { type Endpoints, IdentityError } from "../identity/identity.ts";
import { createTokenCache } from "../identity/token-cache.ts";
import { tenantAddress } from "../platform/tenant-address.ts";
import { messageOf } from "../text/error-message.ts";
import { readIdentity } from "./account-identity.ts";
import { providers } from "./remote-provider.ts";

/** `spec.kubeConfig` of Flux's kinds: exactly one of the two (KS-003). */
export type KubeConfigReference = { secretRef?: { name: string; key?: string }; configMapRef?: { name: string } };

/** Whose remote cluster it is: the object that names it. */
export type RemoteOwner = {
  kind: string;
  namespace: string;
  name: string;
  /** The controller of Flux that has this kind: its ServiceAccount is the identity of objects that name none. */
  controller: string;
};

/** Another cluster, as whoever the reference says. `server` is its address, which tells one cluster from another. */
export type OpenedCluster = { client: ClusterClient; server: string };

/** What opening needs; `clouds` leads tests to their own. */
export type RemoteContext = Pick<
  Context,
  "clusterId" | "cluster" | "settings" | "signal" | "awsCredentials" | "remoteClusters"
> & {
  clouds?: { endpoints?: Endpoints; certificateAuthority?: string };
};

/** KS-217: what a warm process keeps. All of it may be lost at any time. */
const tokens = createTokenCache();
const connections = new Map<string, { fingerprint: string; client: ClusterClient }>();
const connectionLimit = 100;
const userAgent = "sluice/0.1.0";

/**
 * Opens the cluster that an object's `kubeConfig` names (KS-211 to KS-215). Sluice reads the reference with its own identity, in the
 * object's own namespace. Throws an IdentityError with a sentence for the user, and what the API server answers otherwise.
 */
export async function openRemoteCluster(
  owner: RemoteOwner,
  kubeConfig: KubeConfigReference,
  context: RemoteContext,
): Promise<OpenedCluster> {
  const { secretRef, configMapRef } = kubeConfig;
  if (secretRef !== undefined) return openByKubeconfig(owner, secretRef, context);
  if (configMapRef !== undefined) return openByProvider(owner, configMapRef.name, context);
  throw new IdentityError(
    "invalid .spec.kubeConfig, neither .spec.kubeConfig.configMapRef nor .spec.kubeConfig.secretRef is set",
  );
}

/** Forgets the tokens and the connection of an object that is deleted (KS-217). */
export function forgetRemoteCluster(owner: RemoteOwner, context: Pick<Context, "clusterId">): void {
  const key = keyOf(owner, context);
  tokens.drop(key);
  connections.delete(key);
}

type Secret = KubernetesObject & { data?: Record<string, string> };
type ConfigMap = KubernetesObject & { data?: Record<string, string> };

async function openByKubeconfig(
  owner: RemoteOwner,
  { name, key }: NonNullable<KubeConfigReference["secretRef"]>,
  context: RemoteContext,
): Promise<OpenedCluster> {
  const reference = { apiVersion: "v1", kind: "Secret", namespace: owner.namespace, name };
  const subject = `${owner.namespace}/${name}`;
  const { data = {}, metadata } = await getObject<Secret>(context.cluster, reference, context.signal).catch((error) => {
    throw new IdentityError(`unable to read KubeConfig secret '${subject}' error: ${messageOf(error)}`, {
      cause: error,
    });
  });
  const wanted = key === undefined || key === "" ? undefined : key;
  const value = wanted === undefined ? (data.value ?? data["value.yaml"]) : data[wanted];
  if (value === undefined)
    throw new IdentityError(
      `KubeConfig secret '${subject}' does not contain a '${wanted ?? "value"}' key with a kubeconfig`,
    );
  const kubeconfig = Buffer.from(value, "base64").toString("utf8");
  const insecureTls = context.settings.insecureKubeconfigTls;
  try {
    const server = parseKubeconfig(kubeconfig, { insecureTls }).url;
    const fingerprint = JSON.stringify([metadata.uid, metadata.resourceVersion, wanted, insecureTls]);
    const client = kept(owner, context, fingerprint, { type: "kubeconfig", kubeconfig }, { insecureTls });
    return { client, server };
  } catch (error) {
    // What reads YAML quotes it in its errors, and this one holds a secret.
    const said = error instanceof Error && error.name !== "YAMLException" ? error.message : "it is not valid YAML";
    const isFlagged = error instanceof ProgramRefused && context.settings.insecureKubeconfigExec;
    const message = isFlagged ? `${said} (--insecure-kubeconfig-exec has no effect in Sluice)` : said;
    throw new IdentityError(`the kubeconfig of secret '${subject}' cannot be used: ${message}`);
  }
}

async function openByProvider(owner: RemoteOwner, name: string, context: RemoteContext): Promise<OpenedCluster> {
  const reference = { apiVersion: "v1", kind: "ConfigMap", namespace: owner.namespace, name };
  const { data = {} } = await getObject<ConfigMap>(context.cluster, reference, context.signal).catch((error) => {
    const message = `failed to get configmap ${owner.namespace}/${name}: ${messageOf(error)}`;
    throw new IdentityError(message, { cause: error });
  });
  const provider = data.provider ?? "";
  if (!isProvider(provider)) throw new IdentityError(`provider '${provider}' not implemented`);
  const { settings, clouds } = context;
  const audiences = data.audiences?.split("\n").flatMap((line) => (line.trim() === "" ? [] : [line.trim()])) ?? [];
  const identity = await readIdentity(context, provider, {
    namespace: owner.namespace,
    name: data.serviceAccountName ?? "",
    defaultName: settings.defaultKubeconfigServiceAccount,
    controller: owner.controller,
    ...(audiences.length === 0 ? {} : { audiences }),
  }).catch((error) => {
    throw new IdentityError(`failed to get access token for cluster: ${messageOf(error)}`, { cause: error });
  });
  const limits = { size: settings.tokenCacheMaxSize, milliseconds: settings.tokenCacheMaxSeconds * 1000 };
  const whose = [provider, identity.id, audiences.join("\n")].join(" ");
  const remote = {
    cluster: data.cluster ?? "",
    address: data.address ?? "",
    certificateAuthority: data["ca.crt"] ?? "",
  };
  const { url, certificateAuthority, token } = await providers[provider](remote, {
    identity,
    remoteClusters: context.remoteClusters,
    lockedDown: settings.defaultServiceAccount !== "",
    audiences: audiences.length === 0 ? undefined : audiences,
    cached: (key, ask) => tokens.get(keyOf(owner, context), `${whose} ${key}`, limits, ask),
    ...clouds,
  });
  // The first request would fail for want of it: the reason is the user's business, not that of an object's apply.
  await token();
  const authority = certificateAuthority === undefined ? {} : { certificateAuthority };
  const fingerprint = JSON.stringify([whose, url, certificateAuthority, remote.cluster, limits]);
  const client = kept(owner, context, fingerprint, { type: "token", url, token, ...authority }, {});
  return { client, server: url };
}

/** The connection of an object, anew where what it is made of has changed. */
function kept(
  owner: RemoteOwner,
  context: RemoteContext,
  fingerprint: string,
  address: ClusterAddress,
  options: Partial<ConnectOptions>,
): ClusterClient {
  const key = keyOf(owner, context);
  const found = connections.get(key);
  connections.delete(key);
  // What is kept tells two addresses apart, and needs no secret for it.
  const digest = createHash("sha256").update(fingerprint).digest("base64");
  const client =
    found?.fingerprint === digest ? found.client : connect(address, { userAgent, guard: tenantAddress, ...options });
  connections.set(key, { fingerprint: digest, client });
  for (const oldest of connections.keys()) {
    if (connections.size <= connectionLimit) break;
    connections.delete(oldest);
  }
  return client;
}

function isProvider(name: string): name is keyof typeof providers {
  return Object.hasOwn(providers, name);
}

function keyOf({ kind, namespace, name }: RemoteOwner, { clusterId }: Pick<Context, "clusterId">): string {
  return `${clusterId}/${kind}/${namespace}/${name}`;
}
