import type { GitRepository } from "../../api/git-repository.ts";
import type { FailureReason } from "../../api/reason.ts";
import { getObject } from "../../cluster/objects.ts";
import { GitError } from "../../git/git-error.ts";
import type { GitRemote } from "../../git/git-remote.ts";
import type { HttpCredentials } from "../../git/http-transport.ts";
import { checkIdentity } from "../../git/ssh-identity.ts";
import type { Outbound } from "../../platform/outbound.ts";
import { SourceFailure } from "../source/source-failure.ts";
import { type CredentialContext, cloudCredentials, gitHubCredentials } from "./credentials.ts";
import { type GitOptions, gitOptions, hasGitHubApp, readGitHubApp, type SecretData } from "./secret-options.ts";

/**
 * How the object's repository is reached (section 5.3 of sources.md): by what its Secret holds, by its provider, through the proxy
 * of `outbound`. Throws SourceFailure `FetchFailed`.
 */
export async function readRemote(
  object: GitRepository,
  url: URL,
  outbound: Outbound,
  context: CredentialContext,
): Promise<GitRemote> {
  const data = await readSecret(object, context);
  const options = await failing(async () => gitOptions(url, data));
  if (options.transport === "ssh") {
    refuseEncrypted(object, options);
    await providerCredentials(object, url, data, outbound, context);
    return sshRemote(object, options, outbound, context);
  }
  const provided = await providerCredentials(object, url, data, outbound, context);
  const credentials = provided ?? ownCredentials(options);
  const { tls } = options;
  return {
    url: object.spec.url,
    ...(credentials === undefined ? {} : { credentials }),
    ...(Object.keys(tls).length === 0 ? {} : { tls }),
  };
}

function sshRemote(
  { spec }: GitRepository,
  { identity, knownHosts, password }: GitOptions & { transport: "ssh" },
  outbound: Outbound,
  { settings }: CredentialContext,
): GitRemote {
  const { sshKexAlgos: kexAlgorithms, sshHostKeyAlgos: hostKeyAlgorithms } = settings;
  return {
    url: spec.url,
    ssh: {
      identity,
      knownHosts,
      ...(password === undefined ? {} : { password }),
      ...(kexAlgorithms.length === 0 ? {} : { kexAlgorithms }),
      ...(hostKeyAlgorithms.length === 0 ? {} : { hostKeyAlgorithms }),
    },
    ...(Object.keys(outbound).length === 0 ? {} : { outbound }),
  };
}

/** GIT-058: told before a connection is made. What else is wrong with a key is the transport's to tell. */
function refuseEncrypted(object: GitRepository, { identity, password }: GitOptions & { transport: "ssh" }): void {
  try {
    checkIdentity(identity, password);
  } catch (error) {
    if (!(error instanceof GitError) || error.code !== "key-encrypted") return;
    const message = `SSH identity key is encrypted but no 'password' field was provided in the secret '${secretName(object)}'`;
    throw new SourceFailure("FetchFailed", "AuthenticationFailed", message);
  }
}

/** GIT-050 to GIT-053: a bearer token, or a user and a password. */
function ownCredentials({
  username,
  password,
  bearerToken,
}: GitOptions & { transport: "http" }): HttpCredentials | undefined {
  if (bearerToken === "") return username === "" ? undefined : { username, password };
  if (username === "") return { bearerToken };
  const words = "basic auth and bearer token cannot be set at the same time";
  throw fetchFailed("GitOperationFailed", `failed to checkout and determine revision: ${words}`);
}

/** What the provider gives (GIT-062 to GIT-070); undefined for `generic`. */
async function providerCredentials(
  object: GitRepository,
  url: URL,
  data: SecretData,
  outbound: Outbound,
  context: CredentialContext,
): Promise<HttpCredentials | undefined> {
  const provider = object.spec.provider ?? "generic";
  if (provider === "aws" || provider === "azure")
    return failing(() => cloudCredentials(object, provider, url, outbound, context));
  const lacking = "secretRef with github app data must be specified when provider is set to github";
  if (provider === "github") {
    if (object.spec.secretRef === undefined)
      throw fetchFailed("InvalidProviderConfiguration", lacking, { terminal: true });
    const app = await failing(async () => readGitHubApp(data, secretName(object)), "");
    if (app === undefined) throw fetchFailed("InvalidProviderConfiguration", lacking);
    const tls = await failing(async () => gitHubTls(url, data));
    return failing(() => gitHubCredentials(object, app, { ...outbound, ...tls }, context));
  }
  if (hasGitHubApp(data)) {
    const message = `secretRef '${secretName(object)}' has github app data but provider is not set to github`;
    throw fetchFailed("InvalidProviderConfiguration", message);
  }
  return undefined;
}

/** GIT-062: the API is reached by the certificates that the repository is reached by. */
function gitHubTls(url: URL, data: SecretData): Outbound {
  const options = gitOptions(new URL(`https://${url.host}`), data);
  if (options.transport === "ssh" || Object.keys(options.tls).length === 0) return {};
  return { tls: options.tls };
}

/** GIT-070: what is not yet told is told as what it is for. */
async function failing<T>(work: () => Promise<T>, words = "failed to configure authentication options: "): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof SourceFailure) throw error;
    const why = error instanceof Error ? error.message : String(error);
    throw fetchFailed("AuthenticationFailed", `${words}${why}`, { cause: error });
  }
}

function fetchFailed(
  reason: FailureReason,
  message: string,
  options: { terminal?: boolean; cause?: unknown } = {},
): SourceFailure {
  return new SourceFailure("FetchFailed", reason, message, options);
}

function secretName({ metadata, spec }: GitRepository): string {
  return `${metadata.namespace ?? ""}/${spec.secretRef?.name ?? ""}`;
}

/** GIT-061. Without a reference there is nothing. */
async function readSecret(
  object: GitRepository,
  { cluster, signal }: Pick<CredentialContext, "cluster" | "signal">,
): Promise<SecretData> {
  const name = object.spec.secretRef?.name;
  if (name === undefined) return new Map();
  const reference = { apiVersion: "v1", kind: "Secret", namespace: object.metadata.namespace ?? "", name };
  try {
    const { data = {} } = await getObject<{ data?: Record<string, string> }>(cluster, reference, signal);
    return new Map(Object.entries(data).map(([key, value]) => [key, Buffer.from(value, "base64")]));
  } catch (error) {
    // Flux says it twice, and alerts may look for it.
    const words = `failed to get secret '${secretName(object)}': `;
    const why = error instanceof Error ? error.message : String(error);
    throw fetchFailed("AuthenticationFailed", `${words}${words}${why}`, { cause: error });
  }
}
