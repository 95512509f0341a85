import { GitError, type GitErrorCode } from "./git-error.ts";
import { type GitSource, toldUrl } from "./git-source.ts";
import { defaultLimits, type GitLimits } from "./limits.ts";
import { type Session, withSession } from "./session.ts";

/** Runs an operation and tells its failures as Flux does: a listing and a clone are told apart, and what follows them speaks for itself. */
export async function operate<T>(
  source: GitSource,
  operation: "list" | "clone",
  signal: AbortSignal,
  work: (session: Session) => Promise<T>,
): Promise<T> {
  try {
    return await withSession(source, limitsOf(source), signal, work);
  } catch (error) {
    throw told(
      signal.aborted ? new GitError("unreachable", "context deadline exceeded", { cause: error }) : error,
      source,
      operation,
    );
  }
}

/** The transport worked and the words name what is missing. */
const speaksForItself = new Set<GitErrorCode>(["unresolved", "no-version", "no-commit", "no-path"]);

function told(error: unknown, { url, reference }: GitSource, operation: "list" | "clone"): unknown {
  if (!(error instanceof GitError) || speaksForItself.has(error.code)) return error;
  if (error.code === "invalid-key")
    return new GitError(error.code, `unable to construct auth method with options: ${error.message}`, { cause: error });
  const known = toldUrl(url);
  // What an SSH server says of a repository that is not there is not told, as with go-git.
  if (error.code === "not-found" && /^ssh:/i.test(url)) {
    const words = "repository not found";
    const said = operation === "list" ? `unable to list remote for '${known}': ${words}` : notThere(words, known);
    return new GitError(error.code, said, { cause: error });
  }
  const isEmpty = error.code === "empty";
  if (operation === "list") {
    // Where something was listed and the reference is gone, it is the clone that follows which fails.
    const verb = error.code === "no-reference" ? "clone" : "list remote for";
    return new GitError(isEmpty ? "no-reference" : error.code, `unable to ${verb} '${known}': ${error.message}`, {
      cause: error,
    });
  }
  const { commit, tag, semver } = reference;
  if (isEmpty && !commit && !tag && !semver) return new GitError("empty", "git repository is empty", { cause: error });
  if (isEmpty) return new GitError("no-reference", notThere(error.message, known), { cause: error });
  return new GitError(error.code, `unable to clone '${known}': ${error.message}`, { cause: error });
}

function notThere(words: string, known: string): string {
  return `unable to clone: ${words}: git repository: '${known}'`;
}

/** The bounds that hold for a source. */
export function limitsOf(source: GitSource): GitLimits {
  return { ...defaultLimits, ...source.limits };
}
