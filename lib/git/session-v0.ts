import type { Advertisement } from "./capabilities.ts";
import { GitError } from "./git-error.ts";
import type { GitLimits } from "./limits.ts";
import { formatOlderFetch, olderPackfileOf, parseOlderReadiness } from "./protocol-v0.ts";
import type { Reference } from "./reference.ts";
import type { Session } from "./session.ts";
import type { Packets, Transport } from "./transport.ts";
import { answerLimit, receiveWanted } from "./wanted-pack.ts";

/** What a server of version 0 or 1 advertises; its references are listed again where they are not there. */
export type OlderAdvertisement = Pick<Extract<Advertisement, { version: 0 }>, "capabilities"> & {
  references?: readonly Reference[];
};

/**
 * A session with a server of version 0 or 1 (GE-001, GE-007): its references are all in the advertisement, which is read once a
 * session, by `list`.
 */
export function sessionOfVersion0(
  transport: Transport,
  { capabilities, references }: OlderAdvertisement,
  list: () => Promise<readonly Reference[]>,
  limits: GitLimits,
  signal: AbortSignal,
): Session {
  let listed = references;
  const all = async (): Promise<readonly Reference[]> => {
    listed ??= await list();
    return listed;
  };
  const command = (body: Buffer, limit: number): Promise<Packets> =>
    transport.command({ version: 0, body, limit }, signal);
  return {
    references: async (prefixes) =>
      (await all()).filter(({ name }) => prefixes.some((prefix) => name.startsWith(prefix))),
    isEmpty: async () => (await all()).every(({ name }) => !name.startsWith("refs/")),
    fetch: async (request) => {
      const answer = await command(formatOlderFetch(request, capabilities), answerLimit(limits));
      return receiveWanted(request.wants, olderPackfileOf(answer), limits, signal);
    },
    isReachable: async (commit, tip) => {
      if (!capabilities.has("multi_ack_detailed")) return false;
      const body = formatOlderFetch({ wants: [tip], haves: [commit] }, capabilities);
      return parseOlderReadiness(await command(body, limits.listing));
    },
  };
}

/** The references of a server that was of version 0 or 1 before. Throws GitError `protocol` where it is not any more: what was remembered of it is stale. */
export function olderReferences(advertisement: Advertisement): readonly Reference[] {
  if (advertisement.version === 0) return advertisement.references;
  throw new GitError("protocol", "the server speaks another version of Git's protocol than before");
}
