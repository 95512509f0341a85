import type { OpenArtifact } from "./artifact.ts";

/** A file behind an http or https address. */
export type RemoteFile = { type: "file"; url: string };

/**
 * A Git repository at a reference, as `git fetch <url> <ref>` understands both; `HEAD` where the address names none. The URL
 * may be of any scheme that git knows. `milliseconds` is how long fetching it may take by its address.
 */
export type RemoteRepository = {
  type: "repository";
  url: string;
  ref: string;
  submodules: boolean;
  milliseconds: number;
};

/** What a kustomization names beyond its artifact (KS-071). */
export type RemoteReference = RemoteFile | RemoteRepository;

/**
 * What was found there: a file's bytes; a repository's files without symbolic links, those that lead to a file of the repository
 * being that file, and how many bytes they hold; the status of an answer that holds no file; or why there is nothing, in words for the user. `revision` is the
 * commit, `sha1:<hex>`, or the digest of the bytes, `sha256:<hex>`; `tag` is the server's entity tag of a file (RFC 9110).
 */
export type RemoteContent =
  | { type: "file"; bytes: Uint8Array; revision: string; tag?: string }
  | { type: "repository"; tree: Pick<OpenArtifact, "files" | "directories">; bytes: number; revision: string }
  | { type: "status"; status: number }
  | { type: "failure"; reason: string };

/** Fetches what a reference names now. Rejects only where the signal is aborted. */
export type FetchRemote = (reference: RemoteReference, signal: AbortSignal) => Promise<RemoteContent>;

/** A remote as a build used it, to be told later whether it has moved since. */
export type UsedRemote = { reference: RemoteReference; revision: string; tag?: string };

/** The one text by which a reference is known. */
export function keyOf(reference: RemoteReference): string {
  return reference.type === "file"
    ? `file ${reference.url}`
    : `repository ${reference.submodules ? "with" : "without"} submodules ${reference.ref} ${reference.url}`;
}
