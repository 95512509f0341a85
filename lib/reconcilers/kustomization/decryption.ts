import type { Kustomization } from "../../api/kustomization.ts";
import type { Context } from "../../engine/reconciler.ts";
import type { SourceDecryptor } from "../../kustomize/decrypt-sources.ts";
import type { DecryptObject } from "../../kustomize/post-build.ts";

/** What decrypts the files and objects of one Kustomization. It holds private keys, and must not outlive the pass. */
export type Decryptor = SourceDecryptor & { decryptObject: DecryptObject };

/** The keys of a Kustomization, and the state of what they were read from. */
export type Decryption = {
  /**
   * Imports the keys, once, and gives what decrypts with them. Throws a Halt (`BuildFailed`) where there is no such Secret or a
   * key cannot be imported (KS-098). Called only where something is built.
   */
  open(): Promise<Decryptor>;
  /** Equal texts say that the Secret of the keys is as it was: its uid and resourceVersion, or its absence. It holds no key. */
  versions: string;
};

/**
 * Reads the Secret of `spec.decryption`, as Sluice itself, or the one of `--sops-age-secret` where it names none (KS-096, KS-099).
 * Undefined where the Kustomization does not decrypt.
 */
export async function readDecryption(
  _object: Kustomization,
  _context: Pick<Context, "cluster" | "settings" | "signal">,
): Promise<Decryption | undefined> {
  return undefined;
}

/** KS-102: refuses `spec.decryption.serviceAccountName` without its gate, before anything is fetched. Throws a terminal Halt. */
export function refuseDecryptionIdentity(_object: Kustomization, _context: Pick<Context, "settings">): void {}
