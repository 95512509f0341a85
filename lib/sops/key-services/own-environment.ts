import type { CloudKeyOptions } from "./cloud-keys.ts";

/**
 * What the environment of the process says of the clouds, for all who decrypt: other addresses of AWS's services, by the
 * variables of AWS's own clients, and the deployment's Vault token. `VAULT_TOKEN` is used at `VAULT_ADDR` and at the addresses of
 * `SOPS_HC_VAULT_ALLOWLIST` (separated by commas) alone: Flux's controller sends it to whatever address a file names.
 */
export function ownEnvironment(env: NodeJS.ProcessEnv): Pick<CloudKeyOptions, "endpoints" | "ownVaultToken"> {
  const { AWS_ENDPOINT_URL: everywhere = "", VAULT_TOKEN: token = "", VAULT_ADDR: address = "" } = env;
  const kms = env.AWS_ENDPOINT_URL_KMS || everywhere;
  const sts = env.AWS_ENDPOINT_URL_STS || everywhere;
  const allowed = (env.SOPS_HC_VAULT_ALLOWLIST ?? "").split(",");
  const addresses = [address, ...allowed].map((text) => text.trim()).filter((text) => /^https?:\/\//.test(text));
  return {
    endpoints: { ...(kms === "" ? {} : { kms }), ...(sts === "" ? {} : { sts }) },
    ...(token === "" ? {} : { ownVaultToken: { token, addresses } }),
  };
}
