import type { GitRepository } from "../../api/git-repository.ts";
import type { FailureReason } from "../../api/reason.ts";
import { GitError } from "../../git/git-error.ts";
import type { GitRemote } from "../../git/git-remote.ts";
import type { HttpCredentials } from "../../git/http-transport.ts";
import { checkIdentity } from "../../git/ssh-identity.ts";
import type { ProxyAddress } from "../../platform/outbound.ts";
import type { Json } from "../../platform/ports.ts";
import { messageOf } from "../../text/error-message.ts";
import { readProxy, readSecret, type SecretData } from "../source/secrets.ts";
import { SourceFailure } from "../source/source-failure.ts";
import {
  type CredentialContext,
  cloudCredentials,
  gitHubCredentials,
  ofOneServer,
  type ProvidedCredentials,
} from "./credentials.ts";
import { type GitOptions, gitHubTls, gitOptions, hasGitHubApp, readGitHubApp } from "./secret-options.ts";

/** The proxy that the object names (SEC-004). Throws SourceFailure `FetchFailed`. */
export async function readObjectProxy(
  { metadata, spec }: GitRepository,
  context: CredentialContext,
): Promise<ProxyAddress | undefined> {
  const name = spec.proxySecretRef?.name;
  if (name === undefined) return undefined;
  return failing(() => readProxy(context, metadata.namespace ?? "", name), "failed to configure proxy options: ");
}

/**
 * How the object's repository is reached (section 5.3 of sources.md): by what its Secret holds and by its provider, through the
 * proxy. Throws SourceFailure `FetchFailed`.
 */
export async function readRemote(
  object: GitRepository,
  url: URL,
  proxy: ProxyAddress | undefined,
  context: CredentialContext,
): Promise<GitRemote & { asker: Json }> {
  const data = await readOwnSecret(object, context);
  const asker = askerOf(object, data, proxy, context);
  const options = await failing(async () => gitOptions(url, data));
  if (options.transport === "ssh") refuseEncrypted(object, options);
  const provided = await providerCredentials(object, url, data, proxy, context);
  if (options.transport === "ssh") return { ...sshRemote(object, options, proxy, context), asker };
  const own = provided === undefined ? ownCredentials(options) : undefined;
  const { tls } = options;
  return {
    url: object.spec.url,
    asker,
    ...(own === undefined ? {} : { credentials: own }),
    ...provided,
    ...(Object.keys(tls).length === 0 ? {} : { tls }),
    ...(proxy === undefined ? {} : { proxy }),
  };
}

/** A cloud's identity is of the namespace of its ServiceAccount; all other credentials are what the Secret holds. */
function askerOf(
  { metadata, spec }: GitRepository,
  data: SecretData,
  proxy: ProxyAddress | undefined,
  { clusterId }: CredentialContext,
): Json {
  const { provider = "generic", serviceAccountName = "", url } = spec;
  const ofCloud = provider === "aws" || provider === "azure";
  const account = ofCloud ? [clusterId, metadata.namespace ?? "", serviceAccountName] : [];
  const secret = [...data].map(([key, value]) => [key, value.toString("base64")]);
  return [url, provider, account, secret.sort(), proxy === undefined ? null : { ...proxy }];
}

function sshRemote(
  { spec }: GitRepository,
  { identity, knownHosts, password }: GitOptions & { transport: "ssh" },
  proxy: ProxyAddress | undefined,
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
    ...(proxy === undefined ? {} : { outbound: { proxy } }),
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
  proxy: ProxyAddress | undefined,
  context: CredentialContext,
): Promise<ProvidedCredentials | undefined> {
  const provider = object.spec.provider ?? "generic";
  if (provider === "aws" || provider === "azure")
    return failing(() => cloudCredentials(object, provider, url, proxy, context));
  const lacking = "secretRef with github app data must be specified when provider is set to github";
  if (provider === "github") {
    if (object.spec.secretRef === undefined)
      throw fetchFailed("InvalidProviderConfiguration", lacking, { terminal: true });
    const read = async () => ({
      app: readGitHubApp(data, secretName(object)),
      tls: gitHubTls(data, secretName(object), context),
    });
    const { app, tls } = await failing(read, "");
    if (app === undefined) throw fetchFailed("InvalidProviderConfiguration", lacking);
    const outbound = { ...(tls === undefined ? {} : { tls }), ...(proxy === undefined ? {} : { proxy }) };
    return ofOneServer(await failing(() => gitHubCredentials(app, outbound, context)));
  }
  if (hasGitHubApp(data)) {
    const message = `secretRef '${secretName(object)}' has github app data but provider is not set to github`;
    throw fetchFailed("InvalidProviderConfiguration", message);
  }
  return undefined;
}

/** GIT-070: what is not yet told is told as what it is for. */
async function failing<T>(work: () => Promise<T>, words = "failed to configure authentication options: "): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof SourceFailure) throw error;
    const why = messageOf(error);
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

/** GIT-061. Without a reference there is nothing. Flux says twice what failed, and alerts may look for it. */
async function readOwnSecret(object: GitRepository, context: CredentialContext): Promise<SecretData> {
  const name = object.spec.secretRef?.name;
  if (name === undefined) return new Map();
  const words = `failed to get secret '${secretName(object)}': `;
  return failing(() => readSecret(context, object.metadata.namespace ?? "", name), words);
}
