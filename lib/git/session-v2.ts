import type { Capabilities } from "./capabilities.ts";
import { formatFetch, packfileOf, parseReadiness } from "./fetch-pack.ts";
import { GitError } from "./git-error.ts";
import type { GitLimits } from "./limits.ts";
import { formatLsRefs, parseReferences } from "./ls-refs.ts";
import type { Session } from "./session.ts";
import type { Packets, Transport } from "./transport.ts";
import { answerLimit, receiveWanted } from "./wanted-pack.ts";

/** A session of protocol version 2: references are listed by their prefixes alone (GE-001). */
export function sessionOfVersion2(
  transport: Transport,
  capabilities: Capabilities,
  limits: GitLimits,
  signal: AbortSignal,
): Session {
  const features = new Set((capabilities.get("fetch") ?? "").split(" "));
  const command = (body: Buffer, limit: number): Promise<Packets> =>
    transport.command({ version: 2, body, limit }, signal);
  return {
    references: async (prefixes) => parseReferences(await command(formatLsRefs(prefixes), limits.listing), limits),
    isEmpty: async () => {
      for await (const packet of await command(formatLsRefs(["refs/"]), limits.listing)) return packet.type !== "data";
      return true;
    },
    fetch: async ({ filter, depth, ...request }) => {
      if (depth !== undefined && !features.has("shallow")) {
        throw new GitError("unsupported", "the server does not offer shallow fetches");
      }
      const filtered = filter !== undefined && features.has("filter") ? { filter } : {};
      const body = formatFetch({ ...request, ...filtered, ...(depth === undefined ? {} : { depth }) });
      const answer = await command(body, answerLimit(limits));
      return receiveWanted(request.wants, packfileOf(answer), limits, signal);
    },
    isReachable: async (commit, tip) =>
      parseReadiness(await command(formatFetch({ wants: [tip], haves: [commit] }), limits.pack)),
  };
}
