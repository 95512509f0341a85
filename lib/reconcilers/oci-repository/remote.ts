import type { OCIRepository } from "../../api/oci-repository.ts";
import type { RegistryCredentials } from "../../oci/authentication.ts";
import { credentialsFor } from "../../oci/docker-config.ts";
import { parseRepositoryName, type RepositoryName, withoutUser } from "../../oci/repository-name.ts";
import type { Outbound } from "../../platform/outbound.ts";
import type { Json } from "../../platform/ports.ts";
import { messageOf } from "../../text/error-message.ts";
import type { CredentialContext } from "../git-repository/credentials.ts";
import { requireObjectIdentity } from "../source/provider-identity.ts";
import { registryAccess } from "../source/registry-identity.ts";
import { readProxy, readTls } from "../source/secrets.ts";
import { SourceFailure } from "../source/source-failure.ts";
import { readPullSecrets } from "./credentials.ts";

/** How an object's repository is reached, and as whom. */
export type Remote = {
  repository: RepositoryName;
  outbound: Outbound;
  insecure: boolean;
  credentials?: RegistryCredentials;
  /** Tells whoever asks the same of the same registry as the same from all others (SB-002). Holds credentials: it is hashed. */
  asker: Json;
};

/**
 * Reads what the object's URL and Secrets say, at each attempt (SEC-011): pull secrets, the proxy, a provider's credentials where there
 * are no static ones, certificates. Throws SourceFailure.
 */
export async function readRemote(
  object: OCIRepository,
  context: CredentialContext,
  signal: AbortSignal,
  missing: (name: string) => void,
): Promise<Remote> {
  const { spec, metadata } = object;
  const namespace = metadata.namespace ?? "";
  const repository = repositoryOf(object);
  const pulling = await failing("failed to get credential", () => readPullSecrets(context, object, missing));
  const proxyName = spec.proxySecretRef?.name;
  const proxy =
    proxyName === undefined
      ? undefined
      : await failing("failed to get proxy address", () => readProxy(context, namespace, proxyName));
  const { provider = "generic" } = spec;
  const found = pulling === undefined ? undefined : credentialsFor(pulling, repository);
  let credentials = found;
  let identity: Json = found === undefined ? null : { ...found };
  if (pulling === undefined && provider !== "generic") {
    requireObjectIdentity(context, object, undefined);
    const { identity: named, ...login } = await failing(`failed to get credential from ${provider}`, () =>
      registryAccess(context, object, provider, repository.host, proxy, { signal, ...context.clouds }),
    );
    credentials = login;
    identity = `${context.clusterId}/${named}`;
  }
  const certificates = spec.certSecretRef?.name ?? "";
  const tls =
    certificates === ""
      ? undefined
      : await failing(`failed to generate transport for '${spec.url}'`, () =>
          readTls(context, namespace, certificates),
        );
  const insecure = spec.insecure === true;
  const outbound: Outbound = {
    ...(tls === undefined ? {} : { tls }),
    ...(proxy === undefined ? {} : { proxy }),
    ...(insecure && tls === undefined ? { skipVerification: true } : {}),
  };
  return {
    repository,
    outbound,
    insecure,
    ...(credentials === undefined ? {} : { credentials }),
    asker: [repository.host, repository.path, insecure, { ...outbound.tls }, { ...outbound.proxy }, identity],
  };
}

/** OCI-001: a host and a path, and nothing after them. Throws SourceFailure, terminal. */
function repositoryOf({ spec: { url } }: OCIRepository): RepositoryName {
  try {
    const name = url.replace(/^oci:\/\//, "");
    const path = name.slice(name.indexOf("/") + 1);
    const [, tag] = name.includes("/") && !path.includes("@") ? (/:(.*)$/s.exec(path) ?? []) : [];
    if (tag !== undefined) throw new Error(`URL must not contain a tag; remove ':${tag.slice(0, 200)}'`);
    return parseRepositoryName(name);
  } catch (error) {
    const message = `URL validation failed for '${withoutUser(url).slice(0, 1000)}': ${messageOf(error)}`;
    throw new SourceFailure("FetchFailed", "URLInvalid", message, { terminal: true, cause: error });
  }
}

async function failing<T>(words: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw new SourceFailure("FetchFailed", "AuthenticationFailed", `${words}: ${messageOf(error)}`, { cause: error });
  }
}
