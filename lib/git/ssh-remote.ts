import type { Outbound } from "../platform/outbound.ts";
import { GitError } from "./git-error.ts";

/**
 * What an SSH connection is made by (GIT-056 to GIT-060): the private key, the password that it is encrypted with, and the
 * known_hosts file that the server's key must be in. The algorithms replace what is offered by default, in order of preference.
 */
export type SshAccess = {
  identity: string;
  password?: string;
  knownHosts: string;
  kexAlgorithms?: readonly string[];
  hostKeyAlgorithms?: readonly string[];
};

/** A repository behind an `ssh:` URL. */
export type SshRemote = { url: string; ssh: SshAccess; outbound?: Outbound };

/** The parts of an `ssh:` URL: the user is `git` and the port 22 where it names none (GIT-057). */
export type SshAddress = { user: string; host: string; port: number; path: string };

/** Bytes of the longest path to a repository. */
const pathLimit = 4096;

/** Reads an `ssh:` URL. Throws GitError `invalid`. */
export function parseSshUrl(text: string): SshAddress {
  try {
    const url = new URL(text);
    const path = decodeURIComponent(url.pathname);
    const host = decodeURIComponent(url.hostname).replace(/^\[|\]$/g, "");
    const port = url.port === "" ? 22 : Number(url.port);
    const user = decodeURIComponent(url.username) || "git";
    if (url.protocol !== "ssh:" || host === "" || /[\s\p{Cc}]/u.test(`${host}${user}`)) throw new Error("no host");
    if (path.length > pathLimit || path.length < 2 || /[\n\0]/.test(path)) throw new Error("no path");
    return { user, host, port, path };
  } catch (error) {
    throw new GitError("invalid", "the URL does not name a user, a host and a repository of an SSH server", {
      cause: error,
    });
  }
}

/** The command that serves a repository, quoted as git quotes it. A path from someone's home begins at `~`. */
export function uploadPackCommand(path: string): string {
  const told = path.startsWith("/~") ? path.slice(1) : path;
  return `git-upload-pack '${told.replace(/['!]/g, (character) => `'\\${character}'`)}'`;
}
