import { agent, refuseError, serverError } from "./capabilities.ts";
import { GitError } from "./git-error.ts";
import { formatPacket, type Packet, textOf, textPacket } from "./pkt-line.ts";
import type { Packets } from "./transport.ts";

/**
 * What to ask `git-upload-pack` for. `depth` is how many commits deep (all where it is absent); `filter` leaves objects out where
 * the server can (`tree:0`: commits alone). With `haves` the server is asked what it has in common, not for a pack.
 */
export type FetchRequest = { wants: readonly string[]; depth?: number; filter?: string; haves?: readonly string[] };

/** Writes the command fetch (gitprotocol-v2). A pack is asked for without thin deltas and without progress. */
export function formatFetch({ wants, depth, filter, haves }: FetchRequest): Buffer {
  const lines = [
    "ofs-delta",
    "no-progress",
    ...(depth === undefined ? [] : [`deepen ${depth}`]),
    ...(filter === undefined ? [] : [`filter ${filter}`]),
    ...wants.map((id) => `want ${id}`),
    ...(haves === undefined ? ["done"] : haves.map((id) => `have ${id}`)),
  ];
  return Buffer.concat([
    formatPacket(textPacket("command=fetch")),
    formatPacket(textPacket(`agent=${agent}`)),
    formatPacket({ type: "delimiter" }),
    ...lines.map((line) => formatPacket(textPacket(line))),
    formatPacket({ type: "flush" }),
  ]);
}

/** The pack out of the answer to fetch, in parts. Throws GitError `protocol` and `refused`. */
export async function* packfileOf(packets: Packets): AsyncGenerator<Buffer, void, undefined> {
  let section: string | undefined;
  let ended = false;
  for await (const packet of packets) {
    if (packet.type === "delimiter") section = undefined;
    else if (packet.type === "data") {
      refuseError(packet);
      if (section === undefined) section = textOf(packet);
      else if (section === "packfile") {
        const part = demultiplex(packet);
        if (part !== undefined) yield part;
      }
    } else {
      ended = true;
      break;
    }
  }
  if (!ended || section !== "packfile") throw new GitError("protocol", "the server's pack ended early");
}

/** side-band-64k: channel 1 is the pack, 2 is progress, 3 is an error that ends it. */
export function demultiplex(packet: Extract<Packet, { type: "data" }>): Buffer | undefined {
  const channel = packet.payload[0];
  if (channel === 1) return packet.payload.subarray(1);
  if (channel === 3) throw serverError(packet.payload.subarray(1));
  if (channel === 2) return undefined;
  throw new GitError("protocol", `the server sends its pack on the unknown side band ${channel ?? "(none)"}`);
}

/**
 * Whether the server is `ready` after having been told the `haves`: it is where every want has one of them among its ancestors.
 * Only the acknowledgments are read. Throws GitError `protocol` and `refused`.
 */
export async function parseReadiness(packets: Packets): Promise<boolean> {
  let section: string | undefined;
  for await (const packet of packets) {
    const line = textOf(packet);
    if (line === undefined) return false;
    refuseError(packet);
    if (section === undefined) section = line;
    if (section !== "acknowledgments") return false;
    if (line === "ready") return true;
  }
  return false;
}
