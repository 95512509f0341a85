import type { Artifact } from "../../api/artifact.ts";
import type { GitRepository, GitRepositoryStatus } from "../../api/git-repository.ts";
import { type Checkout, withCheckout } from "../../git/checkout.ts";
import { GitError } from "../../git/git-error.ts";
import type { GitArchive, Resolved } from "../../git/git-source.ts";
import type { Json } from "../../platform/ports.ts";
import { storeShared } from "../source/shared-content.ts";
import type { SourcePass } from "../source/source-kind.ts";
import { storageFailure } from "../source/storage-failure.ts";
import type { AskedSource } from "./asked-source.ts";
import { addIncludes } from "./include.ts";
import { verifySource } from "./verification.ts";

type GitPass = SourcePass<GitRepositoryStatus, GitRepository>;

/** What is known of fetched content besides its bytes: the commit's subject, and the signed objects in base64 (GE-005). */
type Facts = { subject: string; commit: string; tags: string[] };

/**
 * Fetches a commit and stores its archive as the artifact, its signature verified before (GIT-073 to GIT-080). `confirm` is asked before
 * anything of it shows: it throws where the commit is not the one after all. Content of one repository is fetched once for
 * all objects that ask for it with the same credentials (SB-002), but for one with includes, whose archive is its own. Returns the
 * commit's subject. Throws SourceFailure, and GitError for what cannot be fetched.
 */
export async function storeCommit(
  pass: GitPass,
  source: AskedSource,
  resolved: Resolved,
  includes: readonly Artifact[],
  confirm: () => Promise<void> = async () => undefined,
): Promise<string> {
  const { signal } = pass;
  const file = `${resolved.commit}.tar.gz`;
  const accept = async (objects: GitArchive["objects"]): Promise<void> => {
    await confirm();
    pass.conditions.remove("FetchFailed");
    await verifySource(pass, resolved, objects);
    const { revision } = resolved;
    if (pass.status.artifact?.revision !== revision)
      pass.outdated("NewRevision", `new upstream revision '${revision}'`);
  };
  if (includes.length > 0) return storeWithIncludes(pass, source, resolved, includes, file, accept);
  const { ignore = null, sparseCheckout = null, recurseSubmodules = false, asker } = source;
  const facts = await storeShared<Facts>(pass, {
    asked: [
      asker,
      resolved.commit,
      resolved.tag?.id ?? null,
      ignore,
      sparseCheckout && [...sparseCheckout],
      recurseSubmodules,
    ],
    file,
    isFacts,
    fetch: async () => {
      const archive = await withCheckout(source, resolved, signal, (checkout) => archived(checkout, signal));
      return { bytes: archive.tarGz, digest: archive.digest, facts: factsOf(archive) };
    },
    accept: async (known) => {
      await accept(objectsOf(known));
      return { revision: resolved.revision };
    },
  });
  return facts.subject;
}

async function storeWithIncludes(
  pass: GitPass,
  source: AskedSource,
  resolved: Resolved,
  includes: readonly Artifact[],
  file: string,
  accept: (objects: GitArchive["objects"]) => Promise<void>,
): Promise<string> {
  const { signal } = pass;
  const archive = await withCheckout(source, resolved, signal, async (checkout) => {
    await accept(checkout.objects);
    const close = await addIncludes(pass, includes, checkout);
    try {
      return await archived(checkout, signal);
    } finally {
      close();
    }
  });
  try {
    await pass.store(file, archive.tarGz, { revision: resolved.revision, digest: archive.digest });
  } finally {
    archive.tarGz.close();
  }
  return archive.subject;
}

/** Writing the archive fails as the store does (SRC-037): what is wrong with the repository's own objects is the fetch's. */
async function archived(checkout: Checkout, signal: AbortSignal): Promise<GitArchive> {
  try {
    return await checkout.archive(signal);
  } catch (error) {
    if (error instanceof GitError || signal.aborted) throw error;
    throw storageFailure("ArchiveOperationFailed", "unable to archive artifact to storage", error);
  }
}

function factsOf({ subject, objects }: GitArchive): Facts {
  const { commit, tags } = objects;
  return { subject, commit: commit.toString("base64"), tags: tags.map((tag) => tag.toString("base64")) };
}

function objectsOf({ commit, tags }: Facts): GitArchive["objects"] {
  return { commit: Buffer.from(commit, "base64"), tags: tags.map((tag) => Buffer.from(tag, "base64")) };
}

function isFacts(value: Json): value is Facts {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  const { subject, commit, tags } = value;
  return (
    typeof subject === "string" &&
    typeof commit === "string" &&
    Array.isArray(tags) &&
    tags.every((tag) => typeof tag === "string")
  );
}
