import { askCloud, formBody, parseAnswer, textField } from "./cloud-request.ts";
import {
  type AccessToken,
  type CloudIdentity,
  type CloudOptions,
  IdentityError,
  type ServiceAccount,
} from "./identity.ts";

/** Audience of the token that Entra ID takes. */
const audience = "api://AzureADTokenExchange";
const tenantAnnotation = "azure.workload.identity/tenant-id";
const clientAnnotation = "azure.workload.identity/client-id";

/**
 * A token of Microsoft Entra ID for one scope (`https://vault.azure.net/.default`), for the application or managed identity in
 * the annotations `azure.workload.identity/client-id` and `/tenant-id` of the ServiceAccount, whose own token is the client
 * assertion (KS-103). The deployment has no identity of its own in Azure. Throws an IdentityError.
 */
export async function azureToken(identity: CloudIdentity, scope: string, options: CloudOptions): Promise<AccessToken> {
  if (identity.type === "own")
    throw new IdentityError(
      "this deployment of Sluice has no identity of its own in Azure: name a service account that has one",
    );
  const { tenant, client } = azureIdentityOf(identity.account);
  const assertion = await identity.requestToken([audience]);
  const askedAt = Date.now();
  const answer = await askCloud(
    {
      method: "POST",
      url: `${options.endpoints?.entra ?? "https://login.microsoftonline.com"}/${encodeURIComponent(tenant)}/oauth2/v2.0/token`,
      ...formBody({
        grant_type: "client_credentials",
        client_id: client,
        scope,
        client_assertion_type: "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        client_assertion: assertion,
      }),
    },
    options,
  );
  const parsed = parseAnswer(answer.body);
  const token = textField(parsed, "access_token");
  if (answer.status !== 200 || token === undefined) {
    const error = textField(parsed, "error") ?? `status ${answer.status}`;
    const description = textField(parsed, "error_description")?.split("\n")[0] ?? "";
    throw new IdentityError(
      `Entra ID refused a token for client ${client} of tenant ${tenant}: ${error}: ${description}`,
    );
  }
  return { token, expiresAt: new Date(askedAt + Number(parsed?.expires_in ?? 0) * 1000) };
}

/** Whom a ServiceAccount stands for in Azure. Throws an IdentityError where an annotation is missing. */
export function azureIdentityOf({ annotations }: ServiceAccount): { tenant: string; client: string } {
  const tenant = annotations[tenantAnnotation];
  if (tenant === undefined)
    throw new IdentityError(`azure tenant ID is not set in the service account annotation ${tenantAnnotation}`);
  const client = annotations[clientAnnotation];
  if (client === undefined)
    throw new IdentityError(`azure client ID is not set in the service account annotation ${clientAnnotation}`);
  return { tenant, client };
}
