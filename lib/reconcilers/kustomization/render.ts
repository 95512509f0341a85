import { referenceTo } from "../../cluster/objects.ts";
import { formatSubject } from "../../cluster/subject.ts";
import { type OpenArtifact, PathNotFound } from "../../kustomize/artifact.ts";
import { type BuildResult, build } from "../../kustomize/build.ts";
import { BuildFailed } from "../../kustomize/build-failed.ts";
import { decryptSources } from "../../kustomize/decrypt-sources.ts";
import { isDecryptionDisabled, isEncryptedSecret } from "../../sops/decrypt-object.ts";
import { type Decryption, readDecryption } from "./decryption.ts";
import { failure } from "./halt.ts";
import { recordHistory } from "./history.ts";
import type { Pass } from "./pass.ts";
import { readVariables, type Variables } from "./substitution.ts";

/** What a Kustomization is rendered from beside its artifact. */
export type References = {
  variables: Variables;
  decryption: Decryption | undefined;
  /** Equal texts say that everything which is referred to is as it was. It holds no value. */
  versions: string;
};

/** Reads the ConfigMaps and Secrets that the spec names, each once a pass, as Sluice itself (KS-110, KS-210). Throws ApiError. */
export async function readReferences({ object, context }: Pass): Promise<References> {
  const [variables, decryption] = await Promise.all([readVariables(object, context), readDecryption(object, context)]);
  const versions = [variables.versions, decryption?.versions].filter((text) => text !== undefined && text !== "");
  return { variables, decryption, versions: versions.join("\n") };
}

/**
 * Renders what a Kustomization wants: sources decrypted, built, objects decrypted, variables substituted (kustomization.md, sections
 * 4 to 7). What is decrypted stays in this invocation: it is kept in no cache. Throws a Halt.
 */
export async function render(pass: Pass, artifact: OpenArtifact, references: References): Promise<BuildResult> {
  const { object, context } = pass;
  const { variables, decryption } = references;
  try {
    const decryptor = await decryption?.open();
    const clear = decryptor === undefined ? artifact : await decryptSources(artifact, object.spec, decryptor);
    const result = await build(clear, object.spec, {
      signal: context.signal,
      cache: clear === artifact,
      postBuild: { decryptObject: decryptor?.decryptObject, substitution: variables.substitution },
    });
    refuseEncrypted(pass, result);
    return result;
  } catch (error) {
    if (error instanceof PathNotFound) throw failure("ArtifactFailed", error.message, error);
    if (error instanceof BuildFailed) throw failure("BuildFailed", error.message, error);
    throw error;
  }
}

/** KS-091: ciphertext must not reach the cluster because somebody forgot `spec.decryption`. */
function refuseEncrypted(pass: Pass, { objects, digest }: BuildResult): void {
  for (const object of objects) {
    if (!isEncryptedSecret(object) || isDecryptionDisabled(object)) continue;
    const subject = formatSubject(referenceTo(object));
    recordHistory(pass, digest, "ReconciliationFailed");
    throw failure(
      "ReconciliationFailed",
      `${subject} is SOPS encrypted, configuring decryption is required for this secret to be reconciled\n`,
    );
  }
}
