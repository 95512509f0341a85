import { messageOf } from "../text/error-message.ts";
import { awsCredentials } from "./aws.ts";
import { azureToken } from "./azure.ts";
import { gcpToken } from "./gcp.ts";
import { isHostName } from "./host-name.ts";
import { type CloudIdentity, type CloudOptions, IdentityError } from "./identity.ts";
import { ecrLogin, ecrRegion } from "./registry-aws.ts";
import { acrHost, acrLogin, acrScope } from "./registry-azure.ts";

/** What a cloud's registry takes for an identity, and until when. */
export type RegistryLogin = { username: string; password: string; expiresAt: Date };

const googleHost = String.raw`^(((.+\.)?gcr\.io)|(.+-docker\.pkg\.dev)|(docker\.s3nsregistry\.fr))$`;

/** Asks under an identity, and puts into words for whom nothing was given. */
type Ask = <T>(work: (who: CloudIdentity) => Promise<T>) => Promise<T>;

/**
 * What a login depends on besides the identity, by the registry's host: the region, the registry, or for Google nothing (OCI-020).
 * Throws an IdentityError where the host is none of that cloud's: its token is shown to nobody else.
 */
export function registryInput(provider: "aws" | "azure" | "gcp", host: string): string {
  if (provider === "aws") return ecrRegion(host);
  if (provider === "azure") return acrHost(host);
  if (!isHostName(host) || !new RegExp(googleHost).test(host))
    throw new IdentityError(`invalid GCP registry: '${host}'. must match ${googleHost}`);
  return "gcp";
}

/**
 * Logs in to a cloud's registry (OCI-019, OCI-020): ECR by its authorization token, ACR by the exchange of a token of Entra ID for a refresh
 * token, Google by the access token itself. `input` is what `registryInput` gave. Throws an IdentityError.
 */
export async function registryLogin(
  provider: "aws" | "azure" | "gcp",
  input: string,
  ask: Ask,
  options: CloudOptions,
): Promise<RegistryLogin> {
  if (provider === "gcp") {
    const { token, expiresAt } = await access(() => ask((who) => gcpToken(who, options)));
    return { username: "oauth2accesstoken", password: token, expiresAt };
  }
  if (provider === "azure") {
    const { token } = await access(() => ask((who) => azureToken(who, acrScope(input), options)));
    return exchanged(() => acrLogin(input, token, options));
  }
  const region = input === "public.ecr.aws" ? "us-east-1" : input;
  const credentials = await access(() => ask((who) => awsCredentials(who, region, options)));
  return exchanged(() => ecrLogin(input, credentials, options));
}

function access<T>(work: () => Promise<T>): Promise<T> {
  return told("failed to get access token for artifact registry", work);
}

function exchanged<T>(work: () => Promise<T>): Promise<T> {
  return told("failed to create artifact registry credentials", work);
}

async function told<T>(words: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw new IdentityError(`${words}: ${messageOf(error)}`, { cause: error });
  }
}
