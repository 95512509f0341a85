import type { GitRepository, GitRepositoryStatus } from "../../api/git-repository.ts";
import { getObject } from "../../cluster/objects.ts";
import type { Context } from "../../engine/reconciler.ts";
import type { GitArchive, Resolved } from "../../git/git-source.ts";
import { type TrustedKeys, verifySignature } from "../../git/signature-verification.ts";
import { signedCommit, signedTag } from "../../git/signed-object.ts";
import { messageOf } from "../../text/error-message.ts";
import { SourceFailure } from "../source/source-failure.ts";
import type { SourcePass } from "../source/source-kind.ts";
import { rememberKeys, watchedKeys } from "./watched-keys.ts";

type Verification = NonNullable<GitRepository["spec"]["verify"]>;

/** What must be signed. */
export type VerificationMode = "HEAD" | "Tag" | "TagAndHEAD";

/** GIT-072: the mode as it is told; everything but the two with tags is HEAD. */
export function verificationMode({ mode }: Verification): VerificationMode {
  return mode === "Tag" || mode === "TagAndHEAD" ? mode : "HEAD";
}

/** GIT-074: whether what was verified, as the status has it, does not cover what has to be. */
export function requiresVerification({ spec, status }: Pick<GitRepository, "spec" | "status">): boolean {
  if (spec.verify === undefined) return false;
  const observed = status?.sourceVerificationMode;
  if (observed === undefined) return true;
  const wanted = verificationMode(spec.verify);
  return (observed === "Tag" || observed === "HEAD") && wanted !== observed;
}

/** GIT-084, GIT-085: a failure of before is forgotten as an attempt begins; all of it where nothing is to be verified any more. */
export function forgetVerification(
  pass: Pick<SourcePass<GitRepositoryStatus, GitRepository>, "object" | "conditions" | "status">,
): void {
  const { object, conditions, status } = pass;
  if (conditions.get("SourceVerified")?.status === "False") conditions.remove("SourceVerified");
  if (object.spec.verify !== undefined) return;
  conditions.remove("SourceVerified");
  delete status.sourceVerificationMode;
}

/**
 * Verifies what was fetched, before it is stored (section 5.4 of sources.md), and tells it: SourceVerified, the mode in the status
 * and a trace event. Throws SourceFailure `SourceVerified`.
 */
export async function verifySource(
  pass: SourcePass<GitRepositoryStatus, GitRepository>,
  resolved: Resolved,
  objects: GitArchive["objects"],
): Promise<void> {
  const { object, context, conditions, status, signal } = pass;
  const { verify } = object.spec;
  if (verify === undefined) return;
  const mode = verificationMode(verify);
  const watched = await watchedKeys(pass);
  const verifying = readKeys(object, verify, { cluster: context.cluster, signal }).then((keys) =>
    verifyObjects(mode, resolved, objects, keys, context.clock.now()),
  );
  const message = await verifying.catch(async (error: unknown) => {
    await rememberKeys(pass, watched, { isVerified: false });
    throw error;
  });
  await rememberKeys(pass, watched, { isVerified: true });
  status.sourceVerificationMode = mode;
  conditions.set("SourceVerified", "True", "Succeeded", message);
  pass.trace("Succeeded", message);
}

/** GIT-073, GIT-076 to GIT-079: the tag and the commit by the mode, and what is told of them. Throws SourceFailure. */
export async function verifyObjects(
  mode: VerificationMode,
  { commit, tag }: Resolved,
  objects: GitArchive["objects"],
  keys: TrustedKeys,
  now: Date,
): Promise<string> {
  const verified: string[] = [];
  if (mode !== "HEAD") {
    if (tag === undefined) {
      const words = "cannot verify tag object's signature if a tag reference is not specified";
      throw new SourceFailure("SourceVerified", "InvalidVerificationMode", words, { terminal: true });
    }
    const [outermost] = objects.tags;
    const signed = outermost === undefined ? undefined : signedTag(outermost);
    const told = signed === undefined ? tag.name : `${signed.name}@${tag.id}`;
    if (signed === undefined || signed.signature === "")
      throw new SourceFailure(
        "SourceVerified",
        "InvalidGitObject",
        `cannot verify signature of tag '${told}' since it is not signed`,
      );
    const key = await verifySignature("tag", signed, keys, now).catch((error: unknown) => {
      throw failed("InvalidTagSignature", `tag '${told}'`, error);
    });
    verified.push(`\n\t- tag '${told}' with key '${key}'`);
  }
  if (mode !== "Tag") {
    const key = await verifySignature("commit", signedCommit(objects.commit), keys, now).catch((error: unknown) => {
      throw failed("InvalidCommitSignature", `commit '${commit}'`, error);
    });
    verified.push(`\n\t- commit '${commit}' with key '${key}'`);
  }
  return `verified signature of${verified.join("")}`;
}

function failed(reason: "InvalidTagSignature" | "InvalidCommitSignature", what: string, error: unknown): SourceFailure {
  const why = messageOf(error);
  return new SourceFailure("SourceVerified", reason, `signature verification of ${what} failed: ${why}`, {
    cause: error,
  });
}

/** GIT-072, GIT-083: `.sshpub` holds authorized keys; all else is a key ring, as it was before SSH keys could be given. */
async function readKeys(
  object: GitRepository,
  verify: Verification,
  { cluster, signal }: Pick<Context, "cluster" | "signal">,
): Promise<TrustedKeys> {
  const namespace = object.metadata.namespace ?? "";
  const reference = { apiVersion: "v1", kind: "Secret", namespace, name: verify.secretRef.name };
  let data: [string, string][];
  try {
    const secret = await getObject<{ data?: { [key: string]: string } }>(cluster, reference, signal);
    data = Object.entries(secret.data ?? {}).map(([key, value]) => [
      key,
      Buffer.from(value, "base64").toString("utf8"),
    ]);
  } catch (error) {
    const why = messageOf(error);
    throw new SourceFailure("SourceVerified", "VerificationError", `public keys secret error: ${why}`, {
      cause: error,
    });
  }
  const isSsh = ([key]: [string, string]) => key.endsWith(".sshpub");
  return {
    authorizedKeys: data.filter(isSsh).map(([, value]) => value),
    keyRings: data.filter((entry) => !isSsh(entry)).map(([, value]) => value),
  };
}
