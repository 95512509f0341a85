import { agent, type Capabilities, refuseError } from "./capabilities.ts";
import { demultiplex, type FetchRequest } from "./fetch-pack.ts";
import { GitError } from "./git-error.ts";
import { formatPacket, textOf, textPacket } from "./pkt-line.ts";
import type { Packets } from "./transport.ts";

/**
 * Writes what is asked for in the versions 0 and 1 (gitprotocol-pack, "Packfile Negotiation"), of the server's capabilities only
 * those that serve: a pack without thin deltas and without progress. `multi_ack_detailed` (GE-007) tells what is in common. Throws
 * GitError `unsupported` where the server cannot do what is asked for.
 */
export function formatOlderFetch(request: FetchRequest, capabilities: Capabilities): Buffer {
  const { wants, depth, filter, haves } = request;
  if (depth !== undefined && !capabilities.has("shallow")) {
    throw new GitError("unsupported", "the server does not offer shallow fetches");
  }
  const band = ["side-band-64k", "side-band"].find((name) => capabilities.has(name));
  if (band === undefined) throw new GitError("unsupported", "the server does not offer packs on a side band");
  const filtered = filter !== undefined && capabilities.has("filter");
  const used = [
    ...["multi_ack_detailed", "ofs-delta", "no-progress"].filter((name) => capabilities.has(name)),
    band,
    ...(filtered ? ["filter"] : []),
    ...(capabilities.has("agent") ? [`agent=${agent}`] : []),
  ];
  const lines = [
    ...[...new Set(wants)].map((id, index) => `want ${id}${index === 0 ? ` ${used.join(" ")}` : ""}`),
    ...(depth === undefined ? [] : [`deepen ${depth}`]),
    ...(filtered ? [`filter ${filter}`] : []),
  ];
  const text = (line: string): Buffer => formatPacket(textPacket(line));
  const flush = formatPacket({ type: "flush" });
  const end = haves === undefined ? [text("done")] : [...haves.map((id) => text(`have ${id}`)), flush];
  return Buffer.concat([...lines.map(text), flush, ...end]);
}

/** The pack out of an answer in version 0 or 1, in parts: acknowledgments and shallow commits come before it. Throws as `packfileOf`. */
export async function* olderPackfileOf(packets: Packets): AsyncGenerator<Buffer, void, undefined> {
  let [begun, told, ended] = [false, false, false];
  for await (const packet of packets) {
    if (packet.type !== "data") {
      ended = begun;
      if (ended) break;
      continue;
    }
    refuseError(packet);
    if (!begun && /^(ACK|NAK|shallow|unshallow)\b/.test(packet.payload.toString("latin1", 0, 10))) {
      told = true;
      continue;
    }
    begun = true;
    const part = demultiplex(packet);
    if (part !== undefined) yield part;
  }
  if (ended) return;
  // Older servers end without a word where they are asked for an object that they do not give by its id (GE-006).
  if (!begun && !told) throw new GitError("refused", "the server ended without an answer to what was asked for");
  throw new GitError("protocol", "the server's pack ended early");
}

/** As `parseReadiness`, of a server that has `multi_ack_detailed`. Others never say it. */
export async function parseOlderReadiness(packets: Packets): Promise<boolean> {
  for await (const packet of packets) {
    refuseError(packet);
    const line = textOf(packet);
    if (line === undefined || line === "NAK") return false;
    if (/^ACK [0-9a-f]{40} ready$/.test(line)) return true;
  }
  return false;
}
