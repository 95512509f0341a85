import { azureToken } from "./azure.ts";
import { type AccessToken, type CloudIdentity, type CloudOptions, IdentityError } from "./identity.ts";

/** Azure DevOps as Entra ID knows it. */
const scope = "499b84ac-1321-427f-aa17-267ca6975798/.default";

/**
 * Whether a repository is one of Azure DevOps, over TLS. The token reads all that its identity may read there: who serves another address
 * is not shown it. Throws an IdentityError where it is none.
 */
export function checkAzureDevOpsUrl({ protocol, host }: URL): void {
  if (protocol === "https:" && (host === "dev.azure.com" || /^[a-z0-9-]+\.visualstudio\.com$/.test(host))) return;
  throw new IdentityError(
    `a token for Azure DevOps goes to https://dev.azure.com and https://<organization>.visualstudio.com alone, not to ${protocol}//${host}`,
  );
}

/** A bearer token for every repository in Azure DevOps that the identity may read (GIT-066). Throws an IdentityError. */
export function azureDevOpsToken(identity: CloudIdentity, options: CloudOptions): Promise<AccessToken> {
  return azureToken(identity, scope, options);
}
