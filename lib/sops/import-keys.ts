import { messageOf } from "../text/error-message.ts";
import { type AgeIdentity, ageService, importAgeIdentities } from "./age.ts";
import type { KeyServices } from "./keys.ts";
import { importPgpKeyring, pgpService } from "./pgp.ts";

/** The decoded values of a Secret, by key. */
export type SecretEntries = ReadonlyMap<string, Uint8Array>;

/** Where keys come from: a Secret, and whether it is the one of `--sops-age-secret`, of which age identities alone are taken. */
export type KeySource = { namespace: string; name: string; ageOnly: boolean };

/** Names a Secret. */
export type SecretName = { namespace: string; name: string };

/** The key services of the clouds, from the Secret's fixed entries and the identity of the Kustomization. */
export type CloudServices = (entries: SecretEntries) => Pick<KeyServices, "kms" | "gcp_kms" | "hc_vault" | "azure_kv">;

/** The most entries of a Secret that hold age or PGP keys: every one of them may be tried on every data key. */
const entryLimit = 50;

/**
 * Which Secret the keys of a Kustomization are in (KS-096, KS-099): the one that `spec.decryption.secretRef` names, in the
 * Kustomization's namespace; where it names none, the one of `--sops-age-secret`, which gives age identities alone. Undefined where
 * there is neither.
 */
export function selectKeySource(
  secretRef: { name: string } | undefined,
  namespace: string,
  fallback: SecretName | undefined,
): KeySource | undefined {
  if (secretRef !== undefined) return { namespace, name: secretRef.name, ageOnly: false };
  return fallback === undefined ? undefined : { ...fallback, ageOnly: true };
}

/**
 * Imports the keys of a decryption Secret (KS-096): `.agekey` entries hold age identities, `.asc` entries PGP keyrings, and the
 * fixed entries credentials of clouds and Vault, which `clouds` makes key services of. Entries of other names are not looked at.
 * Rejects with Flux's text (KS-098), which names the entry and has nothing of what it holds.
 */
export async function importKeys(
  entries: SecretEntries,
  { namespace, name, ageOnly }: KeySource,
  clouds?: CloudServices,
): Promise<KeyServices> {
  const what = ageOnly ? "sops SOPS age decryption Secret" : "sops decryption Secret";
  const failed = (entry: string, error: unknown) =>
    new Error(`failed to import '${entry}' data from ${what} '${namespace}/${name}': ${messageOf(error)}`);
  const identities: AgeIdentity[] = [];
  const keyring = [];
  const named = [...entries].filter(([entry]) => entry.endsWith(".agekey") || (entry.endsWith(".asc") && !ageOnly));
  if (named.length > entryLimit) throw new Error(`${what} '${namespace}/${name}' has more than ${entryLimit} keys`);
  for (const [entry, content] of named) {
    try {
      if (entry.endsWith(".asc")) keyring.push(...(await importPgpKeyring(content)));
      else identities.push(...(await importAgeIdentities(new TextDecoder().decode(content))));
    } catch (error) {
      throw failed(entry, error);
    }
  }
  const age = ageService(identities);
  const pgp = pgpService(keyring);
  return {
    ...(age === undefined ? {} : { age }),
    ...(pgp === undefined ? {} : { pgp }),
    ...cloudServices(ageOnly ? new Map() : entries, clouds, failed),
  };
}

function cloudServices(
  entries: SecretEntries,
  clouds: CloudServices | undefined,
  failed: (entry: string, error: unknown) => Error,
): KeyServices {
  if (clouds === undefined) return {};
  try {
    return clouds(entries);
  } catch (error) {
    const entry = error instanceof Error && "entry" in error ? error.entry : undefined;
    throw typeof entry === "string" ? failed(entry, error) : error;
  }
}
