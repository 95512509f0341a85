import { GitError } from "./git-error.ts";
import { type Packet, textOf } from "./pkt-line.ts";
import type { Packets } from "./transport.ts";

/** What a server says it can do: its capabilities by name, each with its value or an empty text. */
export type Capabilities = ReadonlyMap<string, string>;

/** How Sluice calls itself to Git servers. Some answer only to agents that begin with `git/`. */
export const agent = "git/sluice";

/**
 * Reads a capability advertisement of protocol version 2 (gitprotocol-v2, "Capability Advertisement"). Throws GitError
 * `protocol` for a server that speaks an older version, `unsupported` for a repository whose object ids are not SHA-1 (GIT-021).
 */
export async function parseAdvertisement(packets: Packets): Promise<Capabilities> {
  const capabilities = new Map<string, string>();
  let versioned = false;
  for await (const packet of packets) {
    const line = textOf(packet);
    // Over HTTP a server may begin with the name of the service and a flush, as in the older versions.
    if (line?.startsWith("# service=")) continue;
    if (line === undefined && !versioned && capabilities.size === 0 && packet.type === "flush") continue;
    if (line === undefined) break;
    refuseError(packet);
    if (line === "version 2") versioned = true;
    else if (!versioned) throw olderVersion();
    else capabilities.set(...parseCapability(line));
  }
  if (!versioned) throw olderVersion();
  const format = capabilities.get("object-format") ?? "sha1";
  if (format !== "sha1") {
    throw new GitError("unsupported", `repositories whose objects are named by ${format} are not supported, only sha1`);
  }
  for (const command of ["ls-refs", "fetch"]) {
    if (!capabilities.has(command))
      throw new GitError("protocol", `the server does not offer the command '${command}'`);
  }
  return capabilities;
}

function parseCapability(line: string): [string, string] {
  const equals = line.indexOf("=");
  return equals < 0 ? [line, ""] : [line.slice(0, equals), line.slice(equals + 1)];
}

function olderVersion(): GitError {
  return new GitError(
    "protocol",
    "the server does not speak version 2 of Git's protocol; this release of Sluice does not read from servers of versions 0 and 1",
  );
}

/** Throws GitError `refused` where a packet is the server's complaint (`ERR `, gitprotocol-pack). */
export function refuseError(packet: Packet): void {
  if (packet.type !== "data" || packet.payload.toString("latin1", 0, 4) !== "ERR ") return;
  throw serverError(packet.payload.subarray(4));
}

/** A server's complaint, with what is not printable taken out and bounded in length. */
export function serverError(text: Buffer): GitError {
  const words = text
    .toString("utf8")
    .replace(/[\p{Cc}\p{Cf}\s]+/gu, " ")
    .trim()
    .slice(0, 500);
  return new GitError("refused", `the server says: ${words}`);
}
