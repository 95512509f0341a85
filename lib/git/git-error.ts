/**
 * What went wrong with a repository, as far as a caller has to tell it apart:
 * `empty` has no commit at all; `no-reference` has not the branch or tag asked for, `unresolved` not the reference by its full name,
 * `no-version` no tag in the range, `no-commit` not the commit, `no-path` not a directory to check out;
 * `not-found`, `authentication-required` and `authorization-failed` are the server's answers 404, 401 and 403; `unreachable` is
 * a connection that failed; `refused` is the server's own complaint; `protocol` is an answer that is not Git's, or not version 2;
 * `corrupt` is a pack or an object that contradicts itself; `too-large` is beyond a bound of `GitLimits`; `unsupported` is what
 * this reader does not do; `invalid` is a reference or a range that cannot be; `invalid-key` is such a
 * private key or known_hosts file; `key-encrypted` is an
 * SSH key that needs a password and has none (GIT-058).
 */
export type GitErrorCode =
  | "empty"
  | "no-reference"
  | "unresolved"
  | "no-version"
  | "no-commit"
  | "no-path"
  | "not-found"
  | "authentication-required"
  | "authorization-failed"
  | "unreachable"
  | "refused"
  | "protocol"
  | "corrupt"
  | "too-large"
  | "unsupported"
  | "invalid"
  | "invalid-key"
  | "key-encrypted";

/** A failure of a Git operation. The message is for the user and holds no credentials. */
export class GitError extends Error {
  readonly code: GitErrorCode;

  constructor(code: GitErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "GitError";
    this.code = code;
  }
}
