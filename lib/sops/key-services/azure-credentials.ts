import { publicAuthority } from "../../identity/azure-clouds.ts";
import {
  type AzurePrincipal,
  type AzureProof,
  principalAddress,
  principalToken,
} from "../../identity/azure-principal.ts";
import { readCertificate } from "../../identity/client-certificate.ts";
import { IdentityError } from "../../identity/identity.ts";
import type { AzureCredential } from "./azure-key-vault.ts";
import { EntryInvalid, entryText, readEntry } from "./secret-entry.ts";
import { connected, type ServiceConnection } from "./service-call.ts";

/** The name of the Secret's entry with an Azure authentication file (KS-096). */
export const azureEntry = "sops.azure-kv";

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
  const principal = (tenant: string, id: string, proof: AzureProof) =>
    servicePrincipal({ authority, tenant, client: id, proof }, connection);
  if (field("tenantId") !== "" && client !== "") {
    if (field("clientSecret") !== "") return principal(field("tenantId"), client, { secret: field("clientSecret") });
    if (certificate !== "") {
      const sendChain = field("clientCertificateSendChain") === "true";
      const read = entryOf(() => readCertificate(certificate, field("clientCertificatePassword")));
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

function servicePrincipal(principal: AzurePrincipal, connection: ServiceConnection): AzureCredential {
  entryOf(() => principalAddress(principal));
  const { exchange } = connected(connection);
  return {
    authority: principal.authority,
    token: async (scope, signal) => (await principalToken(principal, scope, exchange, signal)).token,
  };
}

/** What is wrong with the entry's own values is told as the entry's. */
function entryOf<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw error instanceof IdentityError ? new EntryInvalid(azureEntry, error.message) : error;
  }
}
