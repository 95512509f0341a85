import type { Kustomization } from "../../api/kustomization.ts";
import type { KubernetesObject } from "../../api/object.ts";
import { ApiError, isNotFound } from "../../cluster/api-error.ts";
import { getObject } from "../../cluster/objects.ts";
import type { Context } from "../../engine/reconciler.ts";
import type { SourceDecryptor } from "../../kustomize/decrypt-sources.ts";
import type { DecryptObject } from "../../kustomize/post-build.ts";
import { decryptText } from "../../sops/decrypt.ts";
import { decryptObject } from "../../sops/decrypt-object.ts";
import { formatForPath, isEncrypted } from "../../sops/formats.ts";
import { importKeys, type KeySource, selectKeySource } from "../../sops/import-keys.ts";
import { messageOf } from "../../text/error-message.ts";
import { type CloudKeyContext, openCloudKeys } from "./cloud-keys.ts";
import { failure, terminal } from "./halt.ts";

/** What decrypts the files and objects of one Kustomization. It holds private keys, and must not outlive the pass. */
export type Decryptor = SourceDecryptor & { decryptObject: DecryptObject };

/** The keys of a Kustomization, and the state of what they were read from. */
export type Decryption = {
  /**
   * Imports the keys and gives what decrypts with them. Throws a Halt (`BuildFailed`) where there is no such Secret or a
   * key cannot be imported (KS-098). Called only where something is built.
   */
  open(): Promise<Decryptor>;
  /** Equal texts say that the Secret of the keys is as it was: its uid and resourceVersion, or its absence. It holds no key. */
  versions: string;
};

type KeySecret = KubernetesObject & { data?: Record<string, string> };

/** Where a Kustomization without a Secret has its keys: in clouds, as its identity. */
const noSecret: KeySource = { namespace: "", name: "", ageOnly: false };

/**
 * Reads the Secret of `spec.decryption`, as Sluice itself, or the one of `--sops-age-secret` where it names none (KS-096, KS-099).
 * Undefined where the Kustomization does not decrypt.
 */
export async function readDecryption(object: Kustomization, context: CloudKeyContext): Promise<Decryption | undefined> {
  if (object.spec.decryption === undefined) return undefined;
  const { sopsAgeSecret, runtimeNamespace } = context.settings;
  const fallback = sopsAgeSecret === "" ? undefined : { namespace: runtimeNamespace, name: sopsAgeSecret };
  const source = selectKeySource(object.spec.decryption.secretRef, object.metadata.namespace ?? "", fallback);
  if (source === undefined) return { open: () => openWith(object, undefined, noSecret, context), versions: "" };
  const { namespace, name } = source;
  const reference = { apiVersion: "v1", kind: "Secret", namespace, name };
  try {
    const secret = await getObject<KeySecret>(context.cluster, reference, context.signal);
    const { uid, resourceVersion } = secret.metadata;
    return {
      open: () => openWith(object, secret.data, source, context),
      versions: `decryption ${namespace}/${name} ${uid}/${resourceVersion}`,
    };
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    const what = `sops ${source.ageOnly ? "SOPS age " : ""}decryption Secret '${namespace}/${name}'`;
    const message = isNotFound(error) ? error.message : `cannot get ${what}: ${error.message}`;
    const refuse = () => Promise.reject(failure("BuildFailed", message, error));
    return { open: refuse, versions: `decryption ${namespace}/${name} ${error.statusCode}` };
  }
}

/** KS-102: refuses `spec.decryption.serviceAccountName` without its gate, before anything is fetched. Throws a terminal Halt. */
export function refuseDecryptionIdentity(object: Kustomization, { settings }: Pick<Context, "settings">): void {
  const gate = "ObjectLevelWorkloadIdentity";
  const account = object.spec.decryption?.serviceAccountName ?? "";
  if (account === "" || settings.featureGates[gate] === true) return;
  const message = `to use spec.decryption.serviceAccountName for decryption authentication please enable the ${gate} feature gate in the controller`;
  throw terminal("FeatureGateDisabled", message);
}

async function openWith(
  object: Kustomization,
  data: KeySecret["data"],
  source: KeySource,
  context: CloudKeyContext,
): Promise<Decryptor> {
  const { signal } = context;
  const entries = new Map(Object.entries(data ?? {}).map(([name, value]) => [name, Buffer.from(value, "base64")]));
  const keys = await importKeys(entries, source, (cloud) => openCloudKeys(object, cloud, context)).catch((error) => {
    throw failure("BuildFailed", messageOf(error), error);
  });
  return {
    signal,
    formatForPath,
    isEncrypted,
    decryptFile: (content, input, output) => decryptText(content, input, output, keys, { signal }),
    decryptObject: (encrypted) => decryptObject<KubernetesObject>(encrypted, keys, signal),
  };
}
