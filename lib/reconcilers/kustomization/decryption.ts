import type { Kustomization } from "../../api/kustomization.ts";
import type { KubernetesObject } from "../../api/object.ts";
import { ApiError, isNotFound } from "../../cluster/api-error.ts";
import type { Context } from "../../engine/reconciler.ts";
import type { SourceDecryptor } from "../../kustomize/decrypt-sources.ts";
import type { DecryptObject } from "../../kustomize/post-build.ts";
import { decryptText } from "../../sops/decrypt.ts";
import { isEncrypted } from "../../sops/formats.ts";
import type { KeyServices } from "../../sops/keys.ts";
import { type CloudKeyContext, openCloudKeys } from "./cloud-keys.ts";
import { decryptObject } from "./decrypt-object.ts";
import { failure, Halt } from "./halt.ts";

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

/** The Secret that a Kustomization's keys come from; `fallback` is the operator's, of which age keys alone are taken. */
type KeySource = { namespace: string; name: string; fallback: boolean };

/**
 * Reads the Secret of `spec.decryption`, as Sluice itself, or the one of `--sops-age-secret` where it names none (KS-096, KS-099).
 * Undefined where the Kustomization does not decrypt.
 */
export async function readDecryption(object: Kustomization, context: CloudKeyContext): Promise<Decryption | undefined> {
  if (object.spec.decryption === undefined) return undefined;
  const source = keySourceOf(object, context);
  if (source === undefined) return { open: () => openWith(object, new Map(), context), versions: "" };
  const path = `/api/v1/namespaces/${source.namespace}/secrets/${source.name}`;
  const subject = `${source.fallback ? "SOPS age " : ""}decryption Secret '${source.namespace}/${source.name}'`;
  try {
    const secret = await context.cluster.request<KeySecret>({ method: "GET", path, signal: context.signal });
    const { uid, resourceVersion } = secret.metadata;
    return {
      open: () => openWith(object, entriesOf(secret, source), context, `from sops ${subject}`),
      versions: `decryption ${path} ${uid}/${resourceVersion}`,
    };
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    const message = isNotFound(error) ? error.message : `cannot get sops ${subject}: ${error.message}`;
    const refuse = () => Promise.reject(failure("BuildFailed", message, error));
    return { open: refuse, versions: `decryption ${path} ${error.statusCode}` };
  }
}

/** KS-102: refuses `spec.decryption.serviceAccountName` without its gate, before anything is fetched. Throws a terminal Halt. */
export function refuseDecryptionIdentity(object: Kustomization, { settings }: Pick<Context, "settings">): void {
  const gate = "ObjectLevelWorkloadIdentity";
  const account = object.spec.decryption?.serviceAccountName ?? "";
  if (account === "" || settings.featureGates[gate] === true) return;
  const message = `to use spec.decryption.serviceAccountName for decryption authentication please enable the ${gate} feature gate in the controller`;
  throw new Halt({
    reason: "FeatureGateDisabled",
    message,
    event: { type: "Warning", message },
    retry: "terminal",
    started: false,
  });
}

function keySourceOf(object: Kustomization, { settings }: CloudKeyContext): KeySource | undefined {
  const name = object.spec.decryption?.secretRef?.name;
  if (name !== undefined) return { namespace: object.metadata.namespace ?? "", name, fallback: false };
  if (settings.sopsAgeSecret === "") return undefined;
  return { namespace: settings.runtimeNamespace, name: settings.sopsAgeSecret, fallback: true };
}

function entriesOf({ data }: KeySecret, { fallback }: KeySource): Map<string, Uint8Array> {
  const entries = Object.entries(data ?? {}).filter(([name]) => !fallback || name.endsWith(".agekey"));
  return new Map(entries.map(([name, value]) => [name, Buffer.from(value, "base64")]));
}

async function openWith(
  object: Kustomization,
  entries: ReadonlyMap<string, Uint8Array>,
  context: CloudKeyContext,
  where = "",
): Promise<Decryptor> {
  const keys = await importKeys(object, entries, context, where);
  const decryptFile: SourceDecryptor["decryptFile"] = (content, input, output) =>
    decryptText(content, input, output, keys, { signal: context.signal });
  return { isEncrypted, decryptFile, decryptObject: (encrypted) => decryptObject(encrypted, decryptFile) };
}

async function importKeys(
  object: Kustomization,
  entries: ReadonlyMap<string, Uint8Array>,
  context: CloudKeyContext,
  _where: string,
): Promise<KeyServices> {
  return openCloudKeys(object, entries, context);
}
