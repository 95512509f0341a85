import type { KubernetesObject } from "../../api/object.ts";
import type { OCIRepository } from "../../api/oci-repository.ts";
import { isNotFound } from "../../cluster/api-error.ts";
import { type DockerConfig, readDockerConfig } from "../../oci/docker-config.ts";
import { messageOf } from "../../text/error-message.ts";
import type { SecretContext } from "../source/secrets.ts";
import { rememberSecret } from "../source/told-secrets.ts";

type PullSecret = { type?: string; data?: Record<string, string> };

/** Pull secrets of one ServiceAccount that are read. Kubernetes has no bound of its own. */
const pullSecretLimit = 100;

/**
 * The entries of the object's Secret and of the pull secrets of its ServiceAccount, in that order (OCI-017); undefined where it
 * names neither, or the account has none. `missing` is told of a Secret that cannot be read (OCI-018). Throws a sentence.
 */
export async function readPullSecrets(
  context: SecretContext,
  { metadata, spec }: OCIRepository,
  missing: (name: string) => void,
): Promise<DockerConfig | undefined> {
  const namespace = metadata.namespace ?? "";
  const secrets: PullSecret[] = [];
  if (spec.secretRef !== undefined) {
    const { name } = spec.secretRef;
    try {
      secrets.push(await get<PullSecret>(context, namespace, "secrets", name));
    } catch (error) {
      missing(name);
      throw new Error(`failed to get secret '${namespace}/${name}': ${messageOf(error)}`, { cause: error });
    }
  }
  const account = spec.serviceAccountName ?? "";
  if (account !== "") secrets.push(...(await accountSecrets(context, namespace, account)));
  return secrets.length === 0 ? undefined : secrets.flatMap(entriesOf);
}

/** Secrets of other types have no entries, and count as read all the same. */
function entriesOf({ type, data = {} }: PullSecret): DockerConfig {
  const text = (key: string) => Buffer.from(data[key] ?? "", "base64").toString("utf8");
  rememberSecret(new Map(Object.keys(data).map((key) => [key, Buffer.from(text(key))])));
  if (type === "kubernetes.io/dockerconfigjson" && data[".dockerconfigjson"])
    return readDockerConfig(text(".dockerconfigjson"));
  if (type === "kubernetes.io/dockercfg" && data[".dockercfg"])
    return readDockerConfig(text(".dockercfg"), { legacy: true });
  return [];
}

/** In the words of Flux's PullSecretsFromServiceAccountRef. */
async function accountSecrets(context: SecretContext, namespace: string, name: string): Promise<PullSecret[]> {
  type Account = KubernetesObject & { imagePullSecrets?: { name?: string }[] };
  const told = `${namespace}/${name}`;
  let account: Account;
  try {
    account = await get<Account>(context, namespace, "serviceaccounts", name);
  } catch (error) {
    const found = isNotFound(error) ? "" : `failed to get serviceaccount '${told}': ${messageOf(error)}`;
    throw new Error(found === "" ? `serviceaccount '${told}' not found` : found, { cause: error });
  }
  const named = (account.imagePullSecrets ?? []).slice(0, pullSecretLimit);
  return Promise.all(named.map((one) => pullSecret(context, namespace, one.name ?? "", told)));
}

async function pullSecret(context: SecretContext, namespace: string, name: string, told: string): Promise<PullSecret> {
  try {
    return await get<PullSecret>(context, namespace, "secrets", name);
  } catch (error) {
    const words = isNotFound(error)
      ? `secret '${namespace}/${name}' not found`
      : `failed to get secret '${namespace}/${name}': ${messageOf(error)}`;
    throw new Error(`failed to get image pull secret for serviceaccount '${told}': ${words}`, { cause: error });
  }
}

function get<T>({ cluster, signal }: SecretContext, namespace: string, plural: string, name: string): Promise<T> {
  const path = `/api/v1/namespaces/${namespace}/${plural}/${encodeURIComponent(name)}`;
  return cluster.request<T>({ method: "GET", path, signal });
}
