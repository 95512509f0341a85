import type { GitRepository } from "../api/git-repository.ts";
import { GitError } from "../git/git-error.ts";
import { toldUrl } from "../git/git-source.ts";
import { messageOf } from "../text/error-message.ts";
import type { AskedSource } from "./git-repository/asked-source.ts";
import type { CredentialContext } from "./git-repository/credentials.ts";
import { readObjectProxy, readRemote } from "./git-repository/remote.ts";
import { SourceFailure } from "./source/source-failure.ts";
import { urlProblem } from "./source/url-problem.ts";

/** What failed, as the object's status tells it (GIT-017, GIT-018, GIT-022). Errors that are not Git's are the fetch's as well. */
export function gitFailure(error: unknown, signal: AbortSignal): SourceFailure {
  if (error instanceof SourceFailure) return error;
  const message = messageOf(error);
  if (error instanceof GitError && error.code === "empty") {
    return new SourceFailure("FetchFailed", "EmptyGitRepository", message, { cause: error });
  }
  if (error instanceof GitError && error.code === "no-path") {
    return new SourceFailure("FetchFailed", "GitOperationFailed", message, { cause: error });
  }
  const words = signal.aborted && !(error instanceof GitError) ? "context canceled" : message;
  const told = `failed to checkout and determine revision: ${words}`;
  return new SourceFailure("FetchFailed", "GitOperationFailed", told, { cause: error });
}

/**
 * What the object asks for, with what its Secrets hold. They are read at each pass (SEC-011). Throws SourceFailure: terminal for a
 * URL that cannot be parsed (GIT-002).
 */
export async function readGitSource(object: GitRepository, context: CredentialContext): Promise<AskedSource> {
  const { spec } = object;
  const proxy = await readObjectProxy(object, context);
  const url = parseUrl(spec.url);
  const remote = await readRemote(object, url, proxy, context);
  const observed = object.status?.artifact?.revision;
  return {
    ...remote,
    reference: spec.ref ?? {},
    ...(spec.ignore === undefined ? {} : { ignore: spec.ignore }),
    ...(spec.sparseCheckout === undefined ? {} : { sparseCheckout: spec.sparseCheckout }),
    ...(spec.recurseSubmodules === true ? { recurseSubmodules: true } : {}),
    ...(observed === undefined ? {} : { observedRevision: observed }),
  };
}

function parseUrl(text: string): URL {
  try {
    const url = new URL(text);
    decodeURIComponent(`${url.username}${url.password}`);
    return url;
  } catch (error) {
    // Where a password has a slash of its own, the URL's parts are not what they seem: nothing before the last @ is told.
    const told = toldUrl(text.replace(/^([a-z]+:\/\/).*@/is, "$1"));
    const message = `failed to parse url '${told}': ${urlProblem(told)}`;
    throw new SourceFailure("FetchFailed", "URLInvalid", message, { terminal: true, cause: error });
  }
}
