import type { Kustomization } from "../../api/kustomization.ts";
import type { KubernetesObject } from "../../api/object.ts";
import { getObject } from "../../cluster/objects.ts";
import type { Context } from "../../engine/reconciler.ts";
import { serviceAccountToken } from "../../identity/generic.ts";
import { awsEntry } from "../../sops/key-services/aws-kms.ts";
import { azureEntry } from "../../sops/key-services/azure-credentials.ts";
import { type CloudKeyOptions, type CloudKeyServices, cloudKeyServices } from "../../sops/key-services/cloud-keys.ts";
import { gcpEntry } from "../../sops/key-services/gcp-kms.ts";
import { ownEnvironment } from "../../sops/key-services/own-environment.ts";
import { parseVaultConfig, type VaultLogin } from "../../sops/key-services/vault.ts";
import { messageOf } from "../../text/error-message.ts";
import { type CloudProvider, type NamedIdentity, readIdentity } from "../account-identity.ts";

/** What decrypting with keys of clouds needs; `clouds` leads tests to their own. */
export type CloudKeyContext = Pick<Context, "cluster" | "settings" | "signal" | "awsCredentials"> & {
  clouds?: Pick<CloudKeyOptions, "endpoints" | "certificateAuthority" | "exchange">;
};

/**
 * The key services of the clouds and of Vault for one Kustomization: with what the decryption Secret holds for a cloud, else as
 * the ServiceAccount of `spec.decryption.serviceAccountName`, else the one of `--default-decryption-service-account`, else as
 * Sluice itself (KS-101, KS-103, KS-104). A ServiceAccount is read when the first key needs one. Throws EntryInvalid.
 */
export function openCloudKeys(
  object: Kustomization,
  entries: ReadonlyMap<string, Uint8Array>,
  context: CloudKeyContext,
): CloudKeyServices {
  const { namespace = "", name } = object.metadata;
  const identityFor = (provider: CloudProvider, audiences?: readonly string[]): Promise<NamedIdentity> =>
    readIdentity(context, provider, {
      namespace,
      name: object.spec.decryption?.serviceAccountName ?? "",
      defaultName: context.settings.defaultDecryptionServiceAccount,
      controller: "kustomize-controller",
      ...(audiences === undefined ? {} : { audiences }),
    });
  const servicesAs = (named: Pick<CloudKeyOptions, "identity" | "ask">) =>
    cloudKeyServices(entries, {
      ...named,
      session: `${namespace}.${name}`,
      ...ownEnvironment(process.env),
      ...context.clouds,
      vaultLogin: vaultLoginOf(context, identityFor),
    });
  const lazily = (provider: CloudProvider) => {
    let services: Promise<CloudKeyServices> | undefined;
    return () => {
      services ??= identityFor(provider).then(({ identity, ask }) => servicesAs({ identity, ask }));
      return services;
    };
  };
  // Reads every entry, so that one which cannot be used is told at once, and serves those that need no identity.
  const stated = servicesAs({ identity: { type: "own" } });
  const [aws, azure, gcp] = [lazily("aws"), lazily("azure"), lazily("gcp")];
  return {
    ...stated,
    ...(entries.has(awsEntry) ? {} : { kms: async (key, signal) => required((await aws()).kms)(key, signal) }),
    ...(entries.has(azureEntry)
      ? {}
      : { azure_kv: async (key, signal) => required((await azure()).azure_kv)(key, signal) }),
    ...(entries.has(gcpEntry) ? {} : { gcp_kms: async (key, signal) => required((await gcp()).gcp_kms)(key, signal) }),
  };
}

function vaultLoginOf(
  { cluster, settings, signal }: CloudKeyContext,
  identityFor: (provider: CloudProvider, audiences: readonly string[]) => Promise<NamedIdentity>,
): VaultLogin | undefined {
  const [namespace, name] = [settings.runtimeNamespace, settings.sopsVaultConfigmap];
  if (name === "") return undefined;
  const configMap = `${namespace}/${name}`;
  return {
    configMap,
    instances: async () => {
      const reference = { apiVersion: "v1", kind: "ConfigMap", namespace, name };
      const { data = {} } = await getObject<KubernetesObject & { data?: Record<string, string> }>(
        cluster,
        reference,
        signal,
      ).catch((error: unknown) => {
        throw new Error(`failed to get Vault ConfigMap '${configMap}': ${messageOf(error)}`);
      });
      return parseVaultConfig(data, configMap);
    },
    requestToken: async (audience) => {
      const { ask } = await identityFor("generic", [audience]);
      return (await ask((identity) => serviceAccountToken(identity, [audience]))).token;
    },
  };
}

function required<T>(service: T | undefined): T {
  if (service === undefined) throw new Error("there is no such key service");
  return service;
}
