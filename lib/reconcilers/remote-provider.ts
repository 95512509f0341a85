import { parseKubeconfig } from "../cluster/kubeconfig.ts";
import { awsCredentials } from "../identity/aws.ts";
import { azureToken } from "../identity/azure.ts";
import { eksToken, eksTokenMilliseconds } from "../identity/eks-token.ts";
import { gcpToken } from "../identity/gcp.ts";
import { serviceAccountToken } from "../identity/generic.ts";
import { type AccessToken, type AwsCredentials, type Endpoints, IdentityError } from "../identity/identity.ts";
import {
  describeEks,
  describeGke,
  listAksKubeconfigs,
  type ManagedCluster,
  parseEksArn,
} from "../identity/managed-cluster.ts";
import type { Ending } from "../identity/token-cache.ts";
import { messageOf } from "../text/error-message.ts";
import type { NamedIdentity } from "./account-identity.ts";

/** What a ConfigMap says of a remote cluster (KS-213); absent keys are empty. */
export type RemoteCluster = { cluster: string; address: string; certificateAuthority: string };

/** How a provider's cluster is reached. The token is asked for at each request, and kept by the cache. */
export type ProvidedCluster = { url: string; certificateAuthority?: string; token: () => Promise<string> };

/** What the providers work with. `cached` keeps what it is given under a key until it ends. */
export type Providing = {
  identity: NamedIdentity;
  /** Whether tenants are kept from Sluice's own identity (`--default-service-account`). */
  lockedDown: boolean;
  /** The EKS clusters that Sluice's own role opens for an object that names no account. */
  remoteClusters: readonly string[];
  audiences: readonly string[] | undefined;
  cached<T>(key: string, ask: () => Promise<Ending<T>>): Promise<T>;
  endpoints?: Endpoints | undefined;
  certificateAuthority?: string | undefined;
};

/** How long a description of a cluster is believed, in milliseconds: an hour of use (KS-217). */
const descriptionMilliseconds = 75 * 60_000;
/** How long one step may take; tokens are renewed beyond the pass that asked first, whose signal has ended. */
const stepMilliseconds = 30_000;
/** The application that every AKS cluster with Entra ID is. */
const aksScope = "6dae42f8-4368-4678-94ff-3960e28e3630/.default";
const azureManagementScope = "https://management.azure.com/.default";

/** The providers by the value of `provider`. Each throws a sentence for the user. */
export const providers = { aws, azure, gcp, generic } as const;

/**
 * KS-214. Sluice's own role is let into every cluster that it works for, as its administrator: for an object of one of them it opens
 * those others alone that the operator has named. And its token would open a cluster to whoever gets it: it is sent to the
 * address that EKS itself gives for the cluster, and to no other.
 */
async function aws(remote: RemoteCluster, providing: Providing): Promise<ProvidedCluster> {
  const { region, name } = parseEksArn(remote.cluster);
  const { identity, cached } = providing;
  if (identity.identity.type === "own" && !providing.remoteClusters.includes(remote.cluster))
    throw new IdentityError(
      `the EKS cluster '${remote.cluster}' is not among those that Sluice opens as itself: set serviceAccountName in the ConfigMap, or name the cluster in the deployment's remoteClusters`,
    );
  const credentials = () =>
    cached<AwsCredentials>(`aws ${region}`, async () => {
      const value = await identity.ask((who) => awsCredentials(who, region, cloud(providing)));
      return { value, expiresAt: value.expiresAt ?? new Date(Date.now() + descriptionMilliseconds) };
    }).catch(inWords);
  const described = () =>
    cached<ManagedCluster>(`eks ${remote.cluster}`, async () =>
      believed(await describeEks(remote.cluster, await credentials(), cloud(providing))),
    );
  const reached = identity.isOwn ? ownOnly(remote, await described()) : await completed(remote, described);
  const token = () =>
    cached<string>(`eks-token ${remote.cluster}`, async () => {
      const now = new Date();
      const current = await credentials();
      const value = await eksToken(name, region, current, now);
      const end = now.getTime() + eksTokenMilliseconds;
      return { value, expiresAt: new Date(Math.min(end, current.expiresAt?.getTime() ?? end)) };
    });
  return { ...reached, token };
}

/** KS-215: a token for AKS, and one for Azure itself where the cluster has to be looked up. */
async function azure(remote: RemoteCluster, providing: Providing): Promise<ProvidedCluster> {
  refuseOwn("azure", providing);
  const { identity, cached } = providing;
  const tokenFor = (scope: string) =>
    cached<AccessToken>(`azure ${scope}`, async () => {
      const value = await identity.ask((who) => azureToken(who, scope, cloud(providing)));
      return { value, expiresAt: value.expiresAt };
    }).catch(inWords);
  const described = () =>
    cached<ManagedCluster>(`aks ${remote.cluster} ${remote.address}`, async () => {
      const management = await tokenFor(azureManagementScope);
      const texts = await listAksKubeconfigs(remote.cluster, management, cloud(providing));
      return believed(matching(remote, texts));
    });
  const token = async () => (await tokenFor(aksScope)).token;
  return { ...(await completed(remote, described)), token };
}

/** The kubeconfig of AKS for the address that the ConfigMap names, or the first one. */
function matching(remote: RemoteCluster, texts: readonly string[]): ManagedCluster {
  const wanted = remote.address === "" ? undefined : canonicalAddress(remote.address);
  const servers = texts.map((text) => parseKubeconfig(text, { withoutUser: true }));
  const found = servers.find(({ url }) => wanted === undefined || canonicalAddress(url) === wanted);
  if (found !== undefined) return { address: found.url, certificateAuthority: found.certificateAuthority ?? "" };
  if (wanted === undefined) throw new IdentityError(`no kubeconfig found for AKS cluster ${remote.cluster}`);
  const known = servers.map(({ url }) => `'${url}'`).join(", ");
  throw new IdentityError(
    `no kubeconfig found for AKS cluster ${remote.cluster} matching the specified address '${remote.address}'. cluster addresses: [${known}]`,
  );
}

async function gcp(remote: RemoteCluster, providing: Providing): Promise<ProvidedCluster> {
  refuseOwn("gcp", providing);
  const { identity, cached } = providing;
  const access = () =>
    cached<AccessToken>("gcp", async () => {
      const value = await identity.ask((who) => gcpToken(who, cloud(providing)));
      return { value, expiresAt: value.expiresAt };
    }).catch(inWords);
  const described = () =>
    cached<ManagedCluster>(`gke ${remote.cluster}`, async () =>
      believed(await describeGke(remote.cluster, await access(), cloud(providing))),
    );
  return { ...(await completed(remote, described)), token: async () => (await access()).token };
}

/** KS-215: the other cluster trusts the issuer of this one, and the audience is its address unless the ConfigMap says otherwise. */
async function generic(remote: RemoteCluster, providing: Providing): Promise<ProvidedCluster> {
  refuseOwn("generic", providing);
  if (remote.address === "") throw new IdentityError("cluster address is required to create a REST config");
  const audiences = providing.audiences ?? [remote.address];
  const access = () =>
    providing
      .cached<AccessToken>(`generic ${audiences.join("\n")}`, async () => {
        const value = await providing.identity.ask((who) => serviceAccountToken(who, audiences));
        return { value, expiresAt: value.expiresAt };
      })
      .catch(inWords);
  const reached = addressed(remote.address, remote.certificateAuthority);
  return { ...reached, token: async () => (await access()).token };
}

/**
 * The token of the controller's own account goes to whatever address the ConfigMap names. Where tenants are locked down, that would
 * hand them the rights that the lockdown keeps from them.
 */
function refuseOwn(provider: string, { identity, lockedDown }: Providing): void {
  if (!identity.isOwn || !lockedDown) return;
  throw new IdentityError(
    `the provider '${provider}' needs a service account here, since tenants are locked down by --default-service-account: set serviceAccountName in the ConfigMap, or --default-kubeconfig-service-account`,
  );
}

/** Sluice's own token is for the cluster that the cloud knows by this name. */
function ownOnly(remote: RemoteCluster, described: ManagedCluster): Omit<ProvidedCluster, "token"> {
  const told = canonicalAddress(described.address);
  if (remote.address !== "" && canonicalAddress(remote.address) !== told)
    throw new IdentityError(
      `the address '${remote.address}' is not that of the EKS cluster '${remote.cluster}', whose address is '${told}': with another one, serviceAccountName must be set`,
    );
  return addressed(described.address, described.certificateAuthority);
}

/** What the ConfigMap says, and what it leaves out from the cloud. */
async function completed(
  remote: RemoteCluster,
  describe: () => Promise<ManagedCluster>,
): Promise<Omit<ProvidedCluster, "token">> {
  if (remote.address !== "" && remote.certificateAuthority !== "")
    return addressed(remote.address, remote.certificateAuthority);
  const described = await describe();
  return addressed(remote.address || described.address, remote.certificateAuthority || described.certificateAuthority);
}

function addressed(address: string, certificateAuthority: string): Omit<ProvidedCluster, "token"> {
  const url = canonicalAddress(address);
  return certificateAuthority === "" ? { url } : { url, certificateAuthority };
}

/** KS-213: `https://<lower-case host>:<port>`, by default port 443. Throws an IdentityError. */
export function canonicalAddress(address: string): string {
  const url = URL.parse(address.includes("://") ? address : `https://${address}`);
  if (url === null) throw new IdentityError(`failed to parse Kubernetes API server address '${address}'`);
  if (url.protocol !== "https:")
    throw new IdentityError(`the Kubernetes API server address '${address}' must use https scheme`);
  return `https://${url.hostname.toLowerCase()}:${url.port === "" ? "443" : url.port}`;
}

function cloud({ endpoints, certificateAuthority }: Providing) {
  return {
    signal: AbortSignal.timeout(stepMilliseconds),
    ...(endpoints === undefined ? {} : { endpoints }),
    ...(certificateAuthority === undefined ? {} : { certificateAuthority }),
  };
}

function believed(value: ManagedCluster): Ending<ManagedCluster> {
  return { value, expiresAt: new Date(Date.now() + descriptionMilliseconds) };
}

function inWords(error: unknown): never {
  const message = messageOf(error);
  throw new IdentityError(`failed to get access token for cluster: ${message}`, { cause: error });
}
