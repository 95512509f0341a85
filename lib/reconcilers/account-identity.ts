import type { KubernetesObject } from "../api/object.ts";
import { isNotFound } from "../cluster/api-error.ts";
import { getObject } from "../cluster/objects.ts";
import type { Context } from "../engine/reconciler.ts";
import { roleOf } from "../identity/aws.ts";
import { azureIdentityOf } from "../identity/azure.ts";
import { gcpIdentityOf } from "../identity/gcp.ts";
import { type CloudIdentity, IdentityError, type RequestToken, type ServiceAccount } from "../identity/identity.ts";
import { messageOf } from "../text/error-message.ts";

/** The providers of Flux that stand for an identity. */
export type CloudProvider = "aws" | "azure" | "gcp" | "generic";

/** What the identity of an object is read with. */
export type IdentityContext = Pick<Context, "cluster" | "settings" | "awsCredentials">;

/** Who asks a provider, and how a failure of it is told. */
export type NamedIdentity = {
  identity: CloudIdentity;
  /** Changes with the identity: credentials of one are never another's. */
  id: string;
  /** No ServiceAccount was named, by the object or by the operator: Sluice itself asks. */
  isOwn: boolean;
  /** Puts into words, as Flux does, for whom a provider gave nothing. */
  ask<T>(work: (identity: CloudIdentity) => Promise<T>): Promise<T>;
};

/** How long the API server may take for a token, in milliseconds. It is asked under long waits too, beyond any pass. */
const tokenMilliseconds = 10_000;

/** The words of the refusals of Flux's lockdown of workload identity. */
const defaultAccountMissing =
  "the specified default service account does not exist in the object namespace. your cluster is subject to multi-tenant workload identity lockdown, reach out to your cluster administrator for help";

/**
 * The identity under which an object asks a cloud (KS-103, SN-19): the ServiceAccount that it names in its own namespace, else
 * the one that the operator set for objects that name none, else Sluice's own: in AWS the role of the function, elsewhere the
 * ServiceAccount of the controller that Sluice stands in for, as its pod would. `audiences` replace the provider's usual ones.
 * Throws a sentence for the user.
 */
export async function readIdentity(
  context: IdentityContext,
  provider: CloudProvider,
  request: { namespace: string; name: string; defaultName: string; controller: string; audiences?: readonly string[] },
): Promise<NamedIdentity> {
  const name = request.name === "" ? request.defaultName : request.name;
  if (name !== "") {
    const isDefault = request.name === "";
    const { account, id } = await readAccount(context, request.namespace, name, isDefault);
    const requestToken = tokensOf(context, account, "service account", request.audiences, gateOf(context));
    checkAnnotations(provider, account);
    const words = `failed to create provider access token for service account '${account.namespace}/${account.name}'`;
    return { id, isOwn: false, ...asking({ type: "serviceAccount", account, requestToken }, words) };
  }
  const words = "failed to create provider access token for the controller";
  if (provider === "aws" && context.awsCredentials !== undefined)
    return { id: "own", isOwn: true, ...asking({ type: "own", ownAws: context.awsCredentials }, words) };
  const own = await readAccount(context, context.settings.runtimeNamespace, request.controller, false);
  const requestToken = tokensOf(context, own.account, "controller service account", request.audiences, () => undefined);
  return { id: own.id, isOwn: true, ...asking({ type: "serviceAccount", account: own.account, requestToken }, words) };
}

/** A token was refused by the home cluster, which no provider has to do with. */
class TokenRefused extends IdentityError {}

function asking(identity: CloudIdentity, words: string): Pick<NamedIdentity, "identity" | "ask"> {
  return {
    identity,
    ask: async (work) => {
      try {
        return await work(identity);
      } catch (error) {
        if (error instanceof TokenRefused) throw error;
        throw new IdentityError(`${words}: ${messageOf(error)}`, { cause: error });
      }
    },
  };
}

async function readAccount(
  { cluster }: IdentityContext,
  namespace: string,
  name: string,
  isDefault: boolean,
): Promise<{ account: ServiceAccount; id: string }> {
  try {
    const reference = { apiVersion: "v1", kind: "ServiceAccount", namespace, name };
    const { metadata } = await getObject<KubernetesObject>(cluster, reference);
    const annotations = metadata.annotations ?? {};
    return { account: { namespace, name, annotations }, id: `${metadata.uid}/${metadata.resourceVersion}` };
  } catch (error) {
    const why = isDefault && isNotFound(error) ? defaultAccountMissing : messageOf(error);
    throw new IdentityError(`failed to get service account '${namespace}/${name}': ${why}`, { cause: error });
  }
}

/** Tokens of tenants' accounts are an opt-in, as in Flux. */
function gateOf({ settings }: IdentityContext): () => void {
  return () => {
    if (settings.featureGates.ObjectLevelWorkloadIdentity !== true)
      throw new TokenRefused("ObjectLevelWorkloadIdentity feature gate is not enabled");
  };
}

function tokensOf(
  { cluster }: IdentityContext,
  { namespace, name }: ServiceAccount,
  who: string,
  audiences: readonly string[] | undefined,
  check: () => void,
): RequestToken {
  return async (usual) => {
    check();
    try {
      const answer = await cluster.request<{ status?: { token?: string } }>({
        method: "POST",
        path: `/api/v1/namespaces/${namespace}/serviceaccounts/${encodeURIComponent(name)}/token`,
        body: {
          apiVersion: "authentication.k8s.io/v1",
          kind: "TokenRequest",
          spec: { audiences: audiences ?? usual },
        },
        signal: AbortSignal.timeout(tokenMilliseconds),
      });
      if (answer.status?.token === undefined) throw new Error("the API server gave no token");
      return answer.status.token;
    } catch (error) {
      const message = `failed to create kubernetes token for ${who} '${namespace}/${name}': ${messageOf(error)}`;
      throw new TokenRefused(message, { cause: error });
    }
  };
}

/** Annotations are looked at before a token is asked for. */
function checkAnnotations(provider: CloudProvider, account: ServiceAccount): void {
  const check = { aws: roleOf, azure: azureIdentityOf, gcp: gcpIdentityOf, generic: () => undefined }[provider];
  try {
    check(account);
  } catch (error) {
    throw new IdentityError(
      `failed to get provider identity from service account '${account.namespace}/${account.name}' annotations: ${messageOf(error)}`,
      { cause: error },
    );
  }
}
