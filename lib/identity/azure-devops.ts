import { azureToken } from "./azure.ts";
import type { AccessToken, CloudIdentity, CloudOptions } from "./identity.ts";

/** Azure DevOps as Entra ID knows it. */
const scope = "499b84ac-1321-427f-aa17-267ca6975798/.default";

/** A bearer token for every repository in Azure DevOps that the identity may read (GIT-066). Throws an IdentityError. */
export function azureDevOpsToken(identity: CloudIdentity, options: CloudOptions): Promise<AccessToken> {
  return azureToken(identity, scope, options);
}
