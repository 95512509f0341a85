import type { Bucket } from "../../api/bucket.ts";
import { type AzureAccess, azureBlobStore } from "../../bucket/azure-blob.ts";
import { azureIdentityOf, azureToken } from "../../identity/azure.ts";
import { isBlobHost, publicAuthority } from "../../identity/azure-clouds.ts";
import { type AzurePrincipal, principalAddress, principalToken } from "../../identity/azure-principal.ts";
import { readCertificate } from "../../identity/client-certificate.ts";
import { type CloudIdentity, IdentityError } from "../../identity/identity.ts";
import { serviceExchange } from "../../platform/exchange.ts";
import type { Json } from "../../platform/ports.ts";
import { messageOf } from "../../text/error-message.ts";
import { keptAccessToken, sourceIdentity } from "../source/provider-identity.ts";
import type { SecretData } from "../source/secrets.ts";
import { type AccessContext, type OpenBucket, proxied, textIn, whileValid } from "./access.ts";
import type { BucketSecrets } from "./secrets.ts";

type Found = { access: AzureAccess; who: Json; hidden: string[] };

const scope = "https://storage.azure.com/.default";

/** The provider `azure` (BKT-027, BKT-028). */
export const openAzure: OpenBucket = async (object, secrets, context) => {
  const { endpoint, bucketName: container, secretRef } = object.spec;
  if (secrets.own !== undefined) checkSecret(secretRef?.name ?? "", secrets.own);
  const found =
    (secrets.own === undefined ? undefined : await ofSecret(object, secrets.own, secrets, context)) ??
    (await ofIdentity(object, secrets, context));
  const outbound = proxied(secrets, context);
  const store = azureBlobStore({ endpoint, container, access: found.access, outbound });
  return { store, who: [found.who, JSON.stringify(outbound)], secrets: found.hidden };
};

function checkSecret(name: string, data: SecretData): void {
  if (["clientId", "accountKey", "sasKey", "authorityHost"].some((key) => data.has(key))) return;
  throw new Error(
    `invalid '${name}' secret data: requires a 'clientId' or 'accountKey' field, a combination of 'tenantId', 'clientId' and 'clientSecret', or 'tenantId', 'clientId' and 'clientCertificate'`,
  );
}

/** Undefined where the Secret names the cloud alone. */
async function ofSecret(
  { spec }: Bucket,
  data: SecretData,
  secrets: BucketSecrets,
  context: AccessContext,
): Promise<Found | undefined> {
  const name = spec.secretRef?.name ?? "";
  const everything: Json = [...data].map(([key, value]) => [key, value.toString("base64")]);
  if (data.has("clientId")) {
    const principal = principalOf(data, name);
    const exchange = serviceExchange({ outbound: proxied(secrets, context) });
    const token = whileValid(() => principalToken(principal, scope, exchange, context.signal));
    const access: AzureAccess = { type: "token", token: async () => (await token()).token };
    return { access, who: everything, hidden: [textIn(data, "clientSecret")].filter((text) => text !== "") };
  }
  if (data.has("accountKey")) {
    const key = textIn(data, "accountKey");
    const account = accountOf(spec.endpoint, name);
    if (!/^[A-Za-z0-9+/]+={0,2}$/.test(key)) throw new Error("decode account key: illegal base64 data");
    return { access: { type: "sharedKey", account, key }, who: everything, hidden: [key] };
  }
  if (!data.has("sasKey")) return undefined;
  const query = textIn(data, "sasKey").trim();
  const signature = new URLSearchParams(query.replace(/^\?/, "")).get("sig") ?? "";
  const hidden = [query, signature, encodeURIComponent(signature)].filter((text) => text !== "");
  return { access: { type: "signature", query }, who: everything, hidden };
}

/** Service principals, with a secret before a certificate. A managed identity is given out by machines in Azure alone. */
function principalOf(data: SecretData, secret: string): AzurePrincipal {
  const authority = textIn(data, "authorityHost") || publicAuthority;
  const [tenant, client] = [textIn(data, "tenantId"), textIn(data, "clientId")];
  const failed = (words: string, cause?: unknown) =>
    new Error(`failed to create token credential from '${secret}' Secret: ${words}`, { cause });
  const password = textIn(data, "clientSecret");
  const certificate = textIn(data, "clientCertificate");
  if (!data.has("tenantId") || (password === "" && certificate === ""))
    throw failed(
      `the managed identity '${client.slice(0, 100)}' can be used within Azure only: give it a federated credential for a service account and set spec.serviceAccountName, or use a service principal`,
    );
  try {
    const sendChain = ["1", "true"].includes(textIn(data, "clientCertificateSendChain").toLowerCase());
    const proof =
      password !== ""
        ? { secret: password }
        : { certificate: readCertificate(certificate, textIn(data, "clientCertificatePassword")), sendChain };
    const principal = { authority, tenant, client, proof };
    principalAddress(principal);
    return principal;
  } catch (error) {
    throw failed(messageOf(error), error);
  }
}

/** The first label of the endpoint's host. */
function accountOf(endpoint: string, secret: string): string {
  const words = `failed to create shared credential from '${secret}' Secret data: failed to extract account name from endpoint`;
  if (!URL.canParse(endpoint)) throw new Error(`${words}: it is no URL`);
  const { hostname } = new URL(endpoint);
  const labels = hostname.split(".");
  if (labels.length <= 2) throw new Error(`${words}: expected '${hostname}' to be a subdomain`);
  return labels[0] ?? "";
}

/**
 * BKT-028: a ServiceAccount that is named must have an identity; Sluice's own is used where it has one, and nobody's where it has none.
 * A token is good for all that the identity may read, so that it goes to Azure's own hosts alone: the endpoint is the tenant's choice.
 */
async function ofIdentity(object: Bucket, secrets: BucketSecrets, context: AccessContext): Promise<Found> {
  const anonymous: Found = { access: { type: "anonymous" }, who: "anonymous", hidden: [] };
  const isNamed = (object.spec.serviceAccountName ?? context.settings.defaultServiceAccount) !== "";
  const identity = await sourceIdentity(context, object, "azure").catch((error: unknown) => {
    if (isNamed || !(error instanceof IdentityError)) throw error;
    return undefined;
  });
  if (identity === undefined || (!isNamed && !standsForSomebody(identity.identity))) return anonymous;
  const { endpoint } = object.spec;
  const host = URL.canParse(endpoint) ? new URL(endpoint).hostname : "";
  if (!isBlobHost(host)) {
    if (!isNamed) return anonymous;
    throw new Error(
      `a token of a service account goes to Azure's own storage alone, and '${host}' is none of its hosts: use a Secret`,
    );
  }
  const purpose = { provider: "azure" as const, for: [scope], proxy: secrets.proxy };
  const options = { signal: context.signal, outbound: proxied(secrets, context), ...context.clouds };
  const token = whileValid(() => keptAccessToken(context, identity, purpose, (who) => azureToken(who, scope, options)));
  const access: AzureAccess = { type: "token", token: async () => (await token()).token };
  return { access, who: ["identity", identity.id], hidden: [] };
}

/** The controller's ServiceAccount is in every cluster with an installation, and has an identity in Azure only where somebody gave it one. */
function standsForSomebody(identity: CloudIdentity): boolean {
  if (identity.type === "own") return false;
  try {
    azureIdentityOf(identity.account);
    return true;
  } catch (error) {
    if (error instanceof IdentityError) return false;
    throw error;
  }
}
