import { cloudOf, keyVaultOf } from "../../identity/azure-clouds.ts";
import type { AzureKeyVaultKey, KeyService } from "../keys.ts";
import {
  askedOnce,
  base64Bytes,
  bounded,
  complaint,
  connected,
  fieldsOf,
  type ServiceConnection,
  textOf,
  within,
} from "./service-call.ts";

/** Whose tokens a key vault is asked with. */
export type AzureCredential = {
  /** The authority that gives the tokens, which tells the cloud: `https://login.microsoftonline.com`. */
  authority: string;
  /** A token for a scope. */
  token: (scope: string, signal: AbortSignal) => Promise<string>;
};

export type AzureKeyVaultOptions = ServiceConnection & { credential: AzureCredential };

/** Spoken by the vaults of every cloud. */
const apiVersion = "7.4";

/** Decrypts with a key in Azure Key Vault or Managed HSM (KS-096): RSA-OAEP-256, as SOPS encrypts. */
export function azureKeyVault(options: AzureKeyVaultOptions): KeyService<AzureKeyVaultKey> {
  const { credential, exchange } = connected(options);
  const once = askedOnce<string>();
  return async (key, caller) => {
    const signal = bounded(caller);
    const named = `${key.vaultUrl}/keys/${key.name}/${key.version}`.slice(0, 500);
    const failed = (why: string) =>
      new Error(`failed to decrypt sops data key with Azure Key Vault key '${named}': ${why}`);
    const value = base64Bytes(key.enc, "base64url", "the encrypted data key");
    const { authority, token } = credential;
    const { origin, scope } = keyVaultOf(key.vaultUrl, cloudOf(authority));
    if (!/^[0-9A-Za-z-]{1,127}$/.test(key.name) || !/^[0-9A-Za-z]{0,64}$/.test(key.version))
      throw failed("that is no name of a key");
    const bearer = await once(scope, () => token(scope, signal));
    const answer = await exchange(
      {
        method: "POST",
        url: new URL(`${origin}/keys/${key.name}/${key.version}/decrypt?api-version=${apiVersion}`),
        headers: {
          "content-type": "application/json",
          accept: "application/json",
          authorization: `Bearer ${bearer}`,
        },
        body: JSON.stringify({ alg: "RSA-OAEP-256", value: Buffer.from(value).toString("base64url") }),
      },
      signal,
    );
    const fields = fieldsOf(answer);
    const plaintext = textOf(fields, "value");
    if (answer.status === 200 && plaintext !== undefined)
      return base64Bytes(plaintext, "base64url", "the answer of Azure Key Vault");
    const error = within(fields, "error");
    const code = complaint(error, "code");
    throw failed(
      code === "" ? `status ${answer.status}` : `${answer.status} ${code}: ${complaint(error, "message")}`.trimEnd(),
    );
  };
}
