import type { GitRepository } from "../../api/git-repository.ts";
import type { Context } from "../../engine/reconciler.ts";
import type { GitRemote } from "../../git/git-remote.ts";
import type { HttpCredentials } from "../../git/http-transport.ts";
import { awsCredentials } from "../../identity/aws.ts";
import { azureDevOpsToken, checkAzureDevOpsUrl } from "../../identity/azure-devops.ts";
import { codeCommitCredentials, codeCommitRegion } from "../../identity/codecommit.ts";
import { type GitHubApp, gitHubAppUser, installationToken } from "../../identity/github-app.ts";
import type { CloudOptions, Endpoints } from "../../identity/identity.ts";
import type { Outbound, ProxyAddress } from "../../platform/outbound.ts";
import { messageOf } from "../../text/error-message.ts";
import { keptToken } from "../source/kept-token.ts";
import {
  keptAccessToken,
  keptAwsCredentials,
  requireObjectIdentity,
  sourceIdentity,
} from "../source/provider-identity.ts";

/** Endpoints and an authority of clouds, for tests and for private clouds. */
export type Clouds = { endpoints?: Endpoints; certificateAuthority?: string };

/** What credentials are got with. */
export type CredentialContext = Pick<
  Context,
  "clusterId" | "cluster" | "settings" | "awsCredentials" | "clock" | "signal" | "records" | "secrets" | "log"
> & { clouds?: Clouds };

/** What a provider gives: credentials, and those of other repositories of the same server where each has its own. */
export type ProvidedCredentials = Pick<GitRemote, "sign"> & { credentials: HttpCredentials };

/** GIT-062: user and password for the repositories of an App's installation. Rejects with a sentence for the user. */
export async function gitHubCredentials(
  app: GitHubApp,
  outbound: Outbound,
  context: CredentialContext,
): Promise<HttpCredentials> {
  // The private key is part of the key: a token is renewed with it.
  const key = ["github", JSON.stringify([app, outbound])];
  const { token } = await keptToken(context, key, async () => {
    const { token, expiresAt } = await installationToken(app, context.clock.now(), optionsOf(context, outbound));
    return { value: { token }, expiresAt };
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
  proxy: ProxyAddress | undefined,
  context: CredentialContext,
): Promise<ProvidedCredentials> {
  requireObjectIdentity(context, object, "FetchFailed");
  const region = provider === "aws" ? codeCommitRegion(url) : "";
  // Over SSH no token is shown to anybody.
  if (provider === "azure" && url.protocol !== "ssh:") checkAzureDevOpsUrl(url);
  const options = optionsOf(context, proxy === undefined ? {} : { proxy });
  try {
    const identity = await sourceIdentity(context, object, provider);
    if (provider === "azure") {
      const purpose = { provider, for: ["azure-devops"], proxy };
      const { token } = await keptAccessToken(context, identity, purpose, (who) => azureDevOpsToken(who, options));
      return ofOneServer({ bearerToken: token });
    }
    // What signs is kept; a signature is of the moment and of one repository.
    const purpose = { provider, for: ["codecommit", region], proxy };
    const ask = keptAwsCredentials(context, identity, purpose, (who) => awsCredentials(who, region, options));
    const credentials = await ask;
    const sign = (repository: URL) => {
      const { username, password } = codeCommitCredentials(repository, credentials, context.clock.now());
      return { username, password };
    };
    return { credentials: sign(url), sign };
  } catch (error) {
    const why = messageOf(error);
    throw new Error(`failed to get access token for Git repository: ${why}`, { cause: error });
  }
}

/** A token that one server alone takes, which it serves all repositories for: a submodule elsewhere is not shown it (GIT-071). */
export function ofOneServer(credentials: HttpCredentials): ProvidedCredentials {
  return { credentials, sign: () => credentials };
}

function optionsOf({ signal, clouds }: CredentialContext, outbound: Outbound): CloudOptions {
  return { signal, outbound, ...clouds };
}
