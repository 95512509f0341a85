import { awsCredentials } from "../../identity/aws.ts";
import { azureToken } from "../../identity/azure.ts";
import { isAuthority, publicAuthority } from "../../identity/azure-clouds.ts";
import { gcpToken } from "../../identity/gcp.ts";
import type { CloudIdentity, CloudOptions, Endpoints } from "../../identity/identity.ts";
import type { KeyServices } from "../keys.ts";
import { type AwsEndpoints, awsEntry, awsKms, parseAwsEntry } from "./aws-kms.ts";
import { azureEntry, parseAzureEntry } from "./azure-credentials.ts";
import { azureKeyVault } from "./azure-key-vault.ts";
import { gcpEntry, gcpKms, parseGcpEntry } from "./gcp-kms.ts";
import { entryText } from "./secret-entry.ts";
import { connected, type ServiceConnection } from "./service-call.ts";
import { type OwnVaultToken, parseVaultEntry, type VaultLogin, vault, vaultEntry } from "./vault.ts";

/** Who decrypts where the decryption Secret does not say, and how clouds are reached. */
export type CloudKeyOptions = ServiceConnection & {
  /** The ServiceAccount to decrypt as (`spec.decryption.serviceAccountName` or the default), or the deployment itself (KS-101). */
  identity: CloudIdentity;
  /** Does what asks for credentials, and puts into words for whom there are none. */
  ask?: <T>(work: (identity: CloudIdentity) => Promise<T>) => Promise<T>;
  /** `<namespace>.<name>` of the Kustomization: the session of an assumed role is named after it. */
  session: string;
  /** Other addresses of the clouds, and of KMS: never of a tenant's choice. */
  endpoints?: Endpoints & AwsEndpoints;
  certificateAuthority?: string;
  /** Where `--sops-vault-configmap` is set. */
  vaultLogin?: VaultLogin | undefined;
  /** `VAULT_TOKEN` of the deployment. */
  ownVaultToken?: OwnVaultToken | undefined;
};

/** The key services of the clouds and of Vault. */
export type CloudKeyServices = Pick<KeyServices, "kms" | "gcp_kms" | "hc_vault" | "azure_kv">;

/**
 * The key services that need another service to decrypt with. What the decryption Secret holds for a cloud is used instead of
 * any identity, cloud by cloud (KS-101). Tokens are asked for when the first key needs one, and kept for these services: they
 * must not outlive the pass. Entries of other names are not looked at (KS-096). Throws EntryInvalid, which names the entry.
 */
export function cloudKeyServices(entries: ReadonlyMap<string, Uint8Array>, options: CloudKeyOptions): CloudKeyServices {
  const { identity, ask = (work) => work(identity), session, endpoints = {}, vaultLogin, ownVaultToken } = options;
  const connection: ServiceConnection = { exchange: connected(options).exchange };
  const cloud = (signal: AbortSignal): CloudOptions => ({
    signal,
    endpoints,
    ...(options.certificateAuthority === undefined ? {} : { certificateAuthority: options.certificateAuthority }),
  });
  const aws = entries.get(awsEntry);
  const azure = entries.get(azureEntry);
  const gcp = entries.get(gcpEntry);
  const token = entries.get(vaultEntry);
  const asIdentity = {
    aws: (region: string, signal: AbortSignal) => ask((who) => awsCredentials(who, region, cloud(signal))),
    azure: {
      // What stands in for Entra ID, as a proxy, is for Azure's public cloud.
      authority: [endpoints.entra ?? ""].find(isAuthority) ?? publicAuthority,
      token: async (scope: string, signal: AbortSignal) =>
        (await ask((who) => azureToken(who, scope, cloud(signal)))).token,
    },
    gcp: async (signal: AbortSignal) => (await ask((who) => gcpToken(who, cloud(signal)))).token,
  };
  return {
    kms: awsKms({
      ...connection,
      session,
      endpoints,
      credentials: aws === undefined ? asIdentity.aws : parseAwsEntry(entryText(aws)),
    }),
    azure_kv: azureKeyVault({
      ...connection,
      credential: azure === undefined ? asIdentity.azure : parseAzureEntry(azure, connection),
    }),
    gcp_kms: gcpKms({
      ...connection,
      token: gcp === undefined ? asIdentity.gcp : parseGcpEntry(entryText(gcp), connection),
    }),
    hc_vault: vault({
      ...connection,
      token: token === undefined ? undefined : parseVaultEntry(entryText(token)),
      login: vaultLogin,
      own: ownVaultToken,
    }),
  };
}
