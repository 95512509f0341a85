import { constants, randomUUID, sign } from "node:crypto";
import { type ClientCertificate, readCertificate } from "./azure-certificate.ts";
import { cloudOf, publicAuthority } from "./azure-clouds.ts";
import type { AzureCredential } from "./azure-key-vault.ts";
import { EntryInvalid, entryText, readEntry } from "./secret-entry.ts";
import { complaint, connected, fieldsOf, form, type ServiceConnection, textOf } from "./service-call.ts";

/** The name of the Secret's entry with an Azure authentication file (KS-096). */
export const azureEntry = "sops.azure-kv";

/** How a client proves to Entra ID that it is the one: a secret, or a certificate's key. */
type Proof = { secret: string } | { certificate: ClientCertificate; sendChain: boolean };

/**
 * Reads `sops.azure-kv`: a service principal with a secret (`tenantId`, `clientId`, `clientSecret`) or a certificate
 * (`clientCertificate`, `clientCertificatePassword`, `clientCertificateSendChain`), what `az ad sp create-for-rbac` prints
 * (`appId`, `tenant`, `password`), or a managed identity (`clientId` alone), looked for in this order. `authorityHost` chooses
 * the cloud. Throws EntryInvalid.
 */
export function parseAzureEntry(bytes: Uint8Array, connection: ServiceConnection = {}): AzureCredential {
  const fields = readEntry(azureEntry, entryText(bytes), "Azure authentication file");
  const field = (name: string) => fields.get(name.toLowerCase()) ?? "";
  const authority = field("authorityHost") || publicAuthority;
  const client = field("clientId");
  const certificate = field("clientCertificate");
  const principal = (tenant: string, id: string, proof: Proof) =>
    servicePrincipal({ authority, tenant, client: id, proof }, connection);
  if (field("tenantId") !== "" && client !== "") {
    if (field("clientSecret") !== "") return principal(field("tenantId"), client, { secret: field("clientSecret") });
    if (certificate !== "") {
      const sendChain = field("clientCertificateSendChain") === "true";
      const read = readCertificate(certificate, field("clientCertificatePassword"));
      return principal(field("tenantId"), client, { certificate: read, sendChain });
    }
  }
  if (field("tenant") !== "" && field("appId") !== "" && field("password") !== "")
    return principal(field("tenant"), field("appId"), { secret: field("password") });
  if (client !== "") return managedIdentity(client);
  throw new EntryInvalid(
    azureEntry,
    "invalid data: requires a 'clientId' field, a combination of 'tenantId', 'clientId' and 'clientSecret', or 'tenantId', 'clientId' and 'clientCertificate'",
  );
}

/** A managed identity is given out by the machine in Azure that asks, and no function of AWS is one. */
function managedIdentity(client: string): AzureCredential {
  return {
    authority: publicAuthority,
    token: async () => {
      throw new Error(
        `the managed identity '${client.slice(0, 100)}' can be used within Azure only: give it a federated credential for a service account and set spec.decryption.serviceAccountName, or use a service principal`,
      );
    },
  };
}

type ServicePrincipal = { authority: string; tenant: string; client: string; proof: Proof };

/** OAuth 2.0 client credentials at Entra ID (RFC 6749, 4.4). Throws EntryInvalid. */
function servicePrincipal(principal: ServicePrincipal, connection: ServiceConnection): AzureCredential {
  const { authority, tenant, client } = principal;
  if (!/^[0-9A-Za-z.-]{1,255}$/.test(tenant) || /^\.+$/.test(tenant))
    throw new EntryInvalid(
      azureEntry,
      "invalid tenantID. You can locate your tenantID by following the instructions listed here: https://learn.microsoft.com/partner-center/find-ids-and-domain-names",
    );
  try {
    cloudOf(authority);
  } catch (error) {
    throw new EntryInvalid(azureEntry, error instanceof Error ? error.message : String(error));
  }
  const url = new URL(`/${tenant}/oauth2/v2.0/token`, authority);
  return {
    authority,
    token: async (scope, signal) => {
      const answer = await connected(connection).exchange(
        {
          method: "POST",
          url,
          ...form({ grant_type: "client_credentials", client_id: client, scope, ...proofOf(principal, url) }),
        },
        signal,
      );
      const fields = fieldsOf(answer);
      const token = textOf(fields, "access_token");
      if (answer.status === 200 && token !== undefined) return token;
      const code = complaint(fields, "error") || `status ${answer.status}`;
      throw new Error(
        `Entra ID refused a token for client ${client.slice(0, 100)} of tenant ${tenant}: ${code}: ${complaint(fields, "error_description")}`.replace(
          /: $/,
          "",
        ),
      );
    },
  };
}

function proofOf({ client, proof }: ServicePrincipal, audience: URL): Record<string, string> {
  if ("secret" in proof) return { client_secret: proof.secret };
  return {
    client_assertion_type: "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
    client_assertion: clientAssertion(proof.certificate, client, audience.href, proof.sendChain),
  };
}

/** Ten minutes, in seconds. */
const assertionLifetime = 600;

/** What proves a certificate's key to Entra ID: a JWT that names the certificate by its SHA-256 (RFC 7515, 4.1.8). */
function clientAssertion(
  { key, chain }: ClientCertificate,
  client: string,
  audience: string,
  sendChain: boolean,
): string {
  const now = Math.floor(Date.now() / 1000);
  const [own] = chain;
  if (own === undefined) throw new Error("a client certificate is needed");
  const header = {
    alg: "PS256",
    typ: "JWT",
    "x5t#S256": Buffer.from(own.fingerprint256.replaceAll(":", ""), "hex").toString("base64url"),
    ...(sendChain ? { x5c: chain.map(({ raw }) => raw.toString("base64")) } : {}),
  };
  const claims = {
    aud: audience,
    iss: client,
    sub: client,
    jti: randomUUID(),
    iat: now,
    nbf: now,
    exp: now + assertionLifetime,
  };
  const text = [header, claims].map((part) => Buffer.from(JSON.stringify(part)).toString("base64url")).join(".");
  const signature = sign("sha256", Buffer.from(text), {
    key,
    padding: constants.RSA_PKCS1_PSS_PADDING,
    saltLength: 32,
  });
  return `${text}.${signature.toString("base64url")}`;
}
