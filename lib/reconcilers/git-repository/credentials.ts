import { createHash } from "node:crypto";
import type { GitRepository } from "../../api/git-repository.ts";
import type { Context } from "../../engine/reconciler.ts";
import type { HttpCredentials } from "../../git/http-transport.ts";
import { awsCredentials } from "../../identity/aws.ts";
import { azureDevOpsToken } from "../../identity/azure-devops.ts";
import { codeCommitCredentials, codeCommitRegion } from "../../identity/codecommit.ts";
import { type GitHubApp, gitHubAppUser, installationToken } from "../../identity/github-app.ts";
import type { AccessToken, AwsCredentials, CloudOptions, Endpoints } from "../../identity/identity.ts";
import { createTokenCache } from "../../identity/token-cache.ts";
import type { Outbound } from "../../platform/outbound.ts";
import { type NamedIdentity, readIdentity } from "../account-identity.ts";
import { SourceFailure } from "../source/source-failure.ts";

/** Endpoints and an authority of clouds, for tests and for private clouds. */
export type Clouds = { endpoints?: Endpoints; certificateAuthority?: string };

/** What credentials are got with. */
export type CredentialContext = Pick<
  Context,
  "clusterId" | "cluster" | "settings" | "awsCredentials" | "clock" | "signal"
> & { clouds?: Clouds };

/** SEC-010: what a warm process keeps. All of it may be lost at any time. */
const tokens = createTokenCache();
const gate = "ObjectLevelWorkloadIdentity";

/** Forgets the tokens of an object that is deleted. */
export function forgetGitCredentials(object: GitRepository, context: Pick<Context, "clusterId">): void {
  tokens.drop(ownerOf(object, context));
}

/** GIT-062: user and password for the repositories of an App's installation. Rejects with a sentence for the user. */
export async function gitHubCredentials(
  object: GitRepository,
  app: GitHubApp,
  outbound: Outbound,
  context: CredentialContext,
): Promise<HttpCredentials> {
  const { token } = await kept<AccessToken>(object, context, JSON.stringify([app, outbound]), async () => {
    const value = await installationToken(app, context.clock.now(), optionsOf(context, outbound));
    return { value, expiresAt: value.expiresAt };
  });
  return { username: gitHubAppUser, password: token };
}

/**
 * GIT-066 to GIT-068: credentials by the object's identity, for the URL. Throws SourceFailure where the gate of
 * `serviceAccountName` is closed (SEC-007), and otherwise rejects with a sentence for the user.
 */
export async function cloudCredentials(
  object: GitRepository,
  provider: "aws" | "azure",
  url: URL,
  outbound: Outbound,
  context: CredentialContext,
): Promise<HttpCredentials> {
  const name = object.spec.serviceAccountName ?? "";
  if (name !== "" && context.settings.featureGates[gate] !== true) {
    const message = `to use spec.serviceAccountName for provider authentication please enable the ${gate} feature gate in the controller`;
    throw new SourceFailure("FetchFailed", "FeatureGateDisabled", message, { terminal: true });
  }
  const region = provider === "aws" ? codeCommitRegion(url) : "";
  const { defaultServiceAccount: defaultName } = context.settings;
  const namespace = object.metadata.namespace ?? "";
  const asked = { namespace, name, defaultName, controller: "source-controller" };
  const identity = await withWords(() => readIdentity(context, provider, asked));
  const key = JSON.stringify([provider, identity.id, region, outbound.proxy]);
  const proxied = outbound.proxy === undefined ? {} : { proxy: outbound.proxy };
  const options = optionsOf(context, proxied);
  if (provider === "aws") return forCodeCommit(object, { url, region, key, identity, options }, context);
  const { token } = await withWords(() =>
    kept<AccessToken>(object, context, key, async () => {
      const value = await identity.ask((who) => azureDevOpsToken(who, options));
      return { value, expiresAt: value.expiresAt };
    }),
  );
  return { bearerToken: token };
}

type Asked = { url: URL; region: string; key: string; identity: NamedIdentity; options: CloudOptions };

/** What signs is kept; a signature is of the moment and of one repository. */
async function forCodeCommit(
  object: GitRepository,
  { url, region, key, identity, options }: Asked,
  context: CredentialContext,
): Promise<HttpCredentials> {
  const credentials = await withWords(() =>
    kept<AwsCredentials>(object, context, key, async () => {
      const value = await identity.ask((who) => awsCredentials(who, region, options));
      // Credentials that do not end are kept for as long as a signature by them.
      return { value, expiresAt: value.expiresAt ?? new Date(context.clock.now().getTime() + 15 * 60_000) };
    }),
  );
  const { username, password } = codeCommitCredentials(url, credentials, context.clock.now());
  return { username, password };
}

async function withWords<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new Error(`failed to get access token for Git repository: ${why}`, { cause: error });
  }
}

function kept<T>(
  object: GitRepository,
  context: CredentialContext,
  key: string,
  ask: () => Promise<{ value: T; expiresAt: Date }>,
): Promise<T> {
  const { tokenCacheMaxSize: size, tokenCacheMaxSeconds } = context.settings;
  // Keys hold secrets: their hash names them as well.
  const hash = createHash("sha256").update(key).digest("hex");
  return tokens.get(ownerOf(object, context), hash, { size, milliseconds: tokenCacheMaxSeconds * 1000 }, ask);
}

function ownerOf({ metadata }: GitRepository, { clusterId }: Pick<Context, "clusterId">): string {
  return [clusterId, "GitRepository", metadata.namespace, metadata.name].join("/");
}

function optionsOf({ signal, clouds }: CredentialContext, outbound: Outbound): CloudOptions {
  return { signal, outbound, ...clouds };
}
