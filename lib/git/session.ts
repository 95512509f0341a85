import { createHash } from "node:crypto";
import { type Capabilities, parseAdvertisement } from "./capabilities.ts";
import type { FetchRequest } from "./fetch-pack.ts";
import { GitError } from "./git-error.ts";
import type { GitRemote } from "./git-remote.ts";
import { type HttpBase, type HttpRemote, httpTransport } from "./http-transport.ts";
import type { GitLimits } from "./limits.ts";
import type { Pack } from "./pack.ts";
import type { Reference } from "./reference.ts";
import { olderReferences, sessionOfVersion0 } from "./session-v0.ts";
import { sessionOfVersion2 } from "./session-v2.ts";
import { sshTransport } from "./ssh-transport.ts";
import type { Transport } from "./transport.ts";

/** One repository on one server, ready to be asked, in whatever version of the protocol it has. Every method throws GitError. */
export type Session = {
  /** References whose names begin with one of the prefixes. */
  references(prefixes: readonly string[]): Promise<Reference[]>;
  /** Whether the repository has no reference at all. */
  isEmpty(): Promise<boolean>;
  /**
   * The objects asked for; whoever gets them closes the pack. A filter is left out where the server has none. Throws GitError
   * `refused` where the server does not give one of the objects, in whatever way it says so (GE-006).
   */
  fetch(request: FetchRequest): Promise<Pack>;
  /** Whether `commit` is an ancestor of `tip`, or the same, as far as the server says so: true is certain, false is not. */
  isReachable(commit: string, tip: string): Promise<boolean>;
};

/**
 * What is remembered of a remote: what its server can do and where redirects led. It saves a request and decides nothing: every
 * command carries its own credentials and is authorized by the server itself; a memory that turns out wrong fails that command,
 * which then begins anew without it. The key holds the credentials' hash, so that nobody is led by what another was told.
 */
type Memory = { version: 0 | 2; capabilities: Capabilities; base: HttpBase; until: number };
const memories = new Map<string, Memory>();
const memoryLimit = 256;
const memoryMilliseconds = 10 * 60_000;

/** Runs `work` in a session with the remote. Throws GitError, or the signal's reason where it is aborted. */
export async function withSession<T>(
  remote: GitRemote,
  limits: GitLimits,
  signal: AbortSignal,
  work: (session: Session) => Promise<T>,
): Promise<T> {
  const { url, ssh, proxy, outbound = proxy === undefined ? {} : { proxy } } = remote;
  if (!/^ssh:/i.test(url)) return overHttp(remote, limits, signal, work);
  if (ssh === undefined) throw new GitError("invalid", "a repository over ssh needs a private key and known_hosts");
  const transport = sshTransport({ url, ssh, outbound }, limits, signal);
  try {
    return await work((await begin(transport, limits, signal)).session);
  } catch (error) {
    throw signal.aborted ? signal.reason : error;
  } finally {
    transport.close();
  }
}

/** Begins a conversation: what the server advertises decides how it goes on. */
async function begin(
  transport: Transport,
  limits: GitLimits,
  signal: AbortSignal,
): Promise<{ session: Session; version: 0 | 2; capabilities: Capabilities }> {
  // In the older versions it holds all references.
  const advertised = await parseAdvertisement(await transport.advertisement(limits.listing, signal), limits);
  const { version, capabilities } = advertised;
  const session =
    version === 2
      ? sessionOfVersion2(transport, capabilities, limits, signal)
      : sessionOfVersion0(transport, advertised, async () => advertised.references, limits, signal);
  return { session, version, capabilities };
}

async function overHttp<T>(
  remote: HttpRemote,
  limits: GitLimits,
  signal: AbortSignal,
  work: (session: Session) => Promise<T>,
): Promise<T> {
  const key = createHash("sha256")
    .update(JSON.stringify([remote.url, remote.credentials, remote.tls, remote.proxy]))
    .digest("hex");
  const memory = memories.get(key);
  if (memory !== undefined && memory.until > Date.now()) {
    try {
      return await work(remembered(remote, limits, signal, memory));
    } catch (error) {
      if (!(error instanceof GitError) || !mayBeStale.has(error.code)) throw error;
      memories.delete(key);
    }
  }
  const transport = httpTransport(remote, limits);
  const { session, version, capabilities } = await begin(transport, limits, signal);
  const learned = { version, capabilities, base: transport.base(), until: Date.now() + memoryMilliseconds };
  const oldest = memories.keys().next();
  if (memories.size >= memoryLimit && oldest.done !== true) memories.delete(oldest.value);
  memories.set(key, learned);
  return work(session);
}

const mayBeStale = new Set([
  "not-found",
  "authentication-required",
  "authorization-failed",
  "unreachable",
  "refused",
  "protocol",
]);

function remembered(
  remote: HttpRemote,
  limits: GitLimits,
  signal: AbortSignal,
  { version, capabilities, base }: Memory,
): Session {
  const transport = httpTransport(remote, limits, base);
  if (version === 2) return sessionOfVersion2(transport, capabilities, limits, signal);
  const list = async (): Promise<readonly Reference[]> =>
    olderReferences(await parseAdvertisement(await transport.advertisement(limits.listing, signal), limits));
  return sessionOfVersion0(transport, { capabilities }, list, limits, signal);
}
