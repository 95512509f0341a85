import type { Outbound } from "../platform/outbound.ts";
import type { HttpRemote } from "./http-transport.ts";
import type { SshAccess } from "./ssh-remote.ts";

/**
 * A repository on a server, and how it is reached: by HTTP as an HttpRemote says, or where the URL is an `ssh:` one by what `ssh`
 * has, which such a URL needs.
 */
export type GitRemote = HttpRemote & { ssh?: SshAccess; outbound?: Outbound };
