import type { Outbound } from "../platform/outbound.ts";
import type { HttpCredentials, HttpRemote } from "./http-transport.ts";
import type { SshAccess } from "./ssh-remote.ts";

/**
 * A repository on a server, and how it is reached: by HTTP as an HttpRemote says, or where the URL is an `ssh:` one by what `ssh`
 * has, which such a URL needs.
 */
export type GitRemote = HttpRemote & {
  ssh?: SshAccess;
  outbound?: Outbound;
  /** The credentials of another repository on the same server, where each has its own; the own ones are nobody else's to see then. */
  sign?: (url: URL) => HttpCredentials;
};
