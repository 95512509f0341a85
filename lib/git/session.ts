import { createHash } from "node:crypto";
import { type Capabilities, parseAdvertisement } from "./capabilities.ts";
import { type FetchRequest, formatFetch, parsePackfile, parseReadiness } from "./fetch-pack.ts";
import { GitError } from "./git-error.ts";
import { type HttpBase, type HttpRemote, httpTransport } from "./http-transport.ts";
import type { GitLimits } from "./limits.ts";
import { formatLsRefs, parseReferences, type Reference } from "./ls-refs.ts";
import { type Pack, parsePack } from "./pack.ts";

/** One repository on one server, ready for commands of protocol version 2. Every method throws GitError. */
export type Session = {
  /** References whose names begin with one of the prefixes. */
  references(prefixes: readonly string[]): Promise<Reference[]>;
  /** Whether the repository has no reference at all. */
  isEmpty(): Promise<boolean>;
  /** The objects asked for. A filter is left out where the server has none. */
  fetch(request: FetchRequest): Promise<Pack>;
  /** Whether `commit` is an ancestor of `tip`, or the same, as far as the server says so: true is certain, false is not. */
  isReachable(commit: string, tip: string): Promise<boolean>;
};

/**
 * What is remembered of a remote: what its server can do and where redirects led. It saves a request and decides nothing: every
 * command carries its own credentials and is authorized by the server itself; a memory that turns out wrong fails that command,
 * which then begins anew without it. The key holds the credentials' hash, so that nobody is led by what another was told.
 */
type Memory = { capabilities: Capabilities; base: HttpBase; until: number };
const memories = new Map<string, Memory>();
const memoryLimit = 256;
const memoryMilliseconds = 10 * 60_000;

/** Runs `work` in a session with the remote. Throws GitError, or the signal's reason where it is aborted. */
export async function withSession<T>(
  remote: HttpRemote,
  limits: GitLimits,
  signal: AbortSignal,
  work: (session: Session) => Promise<T>,
): Promise<T> {
  const key = createHash("sha256")
    .update(JSON.stringify([remote.url, remote.credentials, remote.tls]))
    .digest("hex");
  const memory = memories.get(key);
  if (memory !== undefined && memory.until > Date.now()) {
    try {
      return await work(sessionOf(remote, limits, signal, memory));
    } catch (error) {
      if (!(error instanceof GitError) || !mayBeStale.has(error.code)) throw error;
      memories.delete(key);
    }
  }
  const transport = httpTransport(remote, limits);
  const capabilities = await parseAdvertisement(await transport.advertisement(signal));
  const learned = { capabilities, base: transport.base(), until: Date.now() + memoryMilliseconds };
  const oldest = memories.keys().next();
  if (memories.size >= memoryLimit && oldest.done !== true) memories.delete(oldest.value);
  memories.set(key, learned);
  return work(sessionOf(remote, limits, signal, learned));
}

const mayBeStale = new Set([
  "not-found",
  "authentication-required",
  "authorization-failed",
  "unreachable",
  "refused",
  "protocol",
]);

function sessionOf(
  remote: HttpRemote,
  limits: GitLimits,
  signal: AbortSignal,
  { capabilities, base }: Memory,
): Session {
  const transport = httpTransport(remote, limits, base);
  const features = new Set((capabilities.get("fetch") ?? "").split(" "));
  return {
    references: async (prefixes) =>
      parseReferences(await transport.command(formatLsRefs(prefixes), limits.listing, signal), limits),
    isEmpty: async () => {
      for await (const packet of await transport.command(formatLsRefs(["refs/"]), limits.listing, signal)) {
        return packet.type !== "data";
      }
      return true;
    },
    fetch: async ({ filter, depth, ...request }) => {
      if (depth !== undefined && !features.has("shallow")) {
        throw new GitError("unsupported", "the server does not offer shallow fetches");
      }
      const filtered = filter !== undefined && features.has("filter") ? { filter } : {};
      const command = formatFetch({ ...request, ...filtered, ...(depth === undefined ? {} : { depth }) });
      // Every packet of a pack costs five bytes beyond its content; progress is not asked for.
      const answer = await transport.command(command, limits.pack + limits.pack / 64 + 65_536, signal);
      return parsePack(await parsePackfile(answer, limits), limits, signal);
    },
    isReachable: async (commit, tip) => {
      const command = formatFetch({ wants: [tip], haves: [commit] });
      return parseReadiness(await transport.command(command, limits.pack, signal));
    },
  };
}
