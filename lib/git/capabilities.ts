import { GitError } from "./git-error.ts";
import type { GitLimits } from "./limits.ts";
import { type Packet, textOf } from "./pkt-line.ts";
import { isObjectId, type Reference } from "./reference.ts";
import type { Packets } from "./transport.ts";

/** What a server says it can do: its capabilities by name, each with its value or an empty text. */
export type Capabilities = ReadonlyMap<string, string>;

/** How Sluice calls itself to Git servers. Some answer only to agents that begin with `git/`. */
export const agent = "git/sluice";

/**
 * What a server begins a conversation with: of version 2 its capabilities, of versions 0 and 1 its references as well. The
 * versions 0 and 1 differ by a line alone.
 */
export type Advertisement =
  | { version: 2; capabilities: Capabilities }
  | { version: 0; capabilities: Capabilities; references: readonly Reference[] };

/**
 * Reads an advertisement (gitprotocol-v2, "Capability Advertisement"; gitprotocol-pack, "Reference Discovery"). Throws GitError
 * `unsupported` for a repository whose object ids are not SHA-1 (GIT-021, GE-017), `refused` for a complaint, `too-large`, and
 * `protocol` for what is neither.
 */
export async function parseAdvertisement(
  packets: Packets,
  limits: Pick<GitLimits, "advertisement" | "references">,
): Promise<Advertisement> {
  const capabilities = new Map<string, string>();
  const lines: string[] = [];
  let [size, version, ended, announced] = [0, 0, false, false];
  for await (const packet of packets) {
    const line = textOf(packet);
    const isFirst = lines.length === 0 && version === 0;
    // Over HTTP a server may begin with the name of the service and a flush; in version 2 only the older ones do.
    if (isFirst && line?.startsWith("# service=") === true) announced = true;
    else if (isFirst && announced && packet.type === "flush") announced = false;
    else if (line === undefined) {
      ended = true;
      break;
    } else {
      refuseError(packet);
      if (isFirst && /^version [12]$/.test(line)) version = Number(line.slice(-1));
      else if (version === 2) capabilities.set(...parseCapability(line));
      else lines.push(line);
      size += version === 2 ? line.length : 0;
    }
    if (size > limits.advertisement) {
      throw new GitError("too-large", `the server's answer is larger than ${limits.advertisement} bytes`);
    }
    if (lines.length > 2 * limits.references + 1) throw tooMany(limits);
  }
  if (!ended) throw new GitError("protocol", "the server's advertisement ended early");
  if (version !== 2) for (const word of olderCapabilities(lines)) capabilities.set(...parseCapability(word));
  const format = capabilities.get("object-format") ?? "sha1";
  if (format !== "sha1") {
    throw new GitError("unsupported", `repositories whose objects are named by ${format} are not supported, only sha1`);
  }
  if (version !== 2) return { version: 0, capabilities, references: parseOlderReferences(lines, limits) };
  for (const command of ["ls-refs", "fetch"]) {
    if (!capabilities.has(command))
      throw new GitError("protocol", `the server does not offer the command '${command}'`);
  }
  return { version: 2, capabilities };
}

function tooMany({ references }: Pick<GitLimits, "references">): GitError {
  return new GitError("too-large", `the server lists more than ${references} references`);
}

/** In versions 0 and 1 they stand behind the first reference. */
function olderCapabilities(lines: readonly string[]): string[] {
  return (lines[0]?.split("\0")[1] ?? "").split(" ").filter((word) => word !== "");
}

/** What a tag points to follows it, named as it is with `^{}`. A repository without references names its capabilities alone. */
function parseOlderReferences(lines: readonly string[], limits: Pick<GitLimits, "references">): Reference[] {
  const references: Reference[] = [];
  for (const line of lines) {
    const [told = ""] = line.split("\0");
    const [id = "", name = "", ...more] = told.split(" ");
    if (id === "shallow" && isObjectId(name)) continue;
    if (!isObjectId(id) || name === "" || more.length > 0) {
      throw new GitError("protocol", "the server's list of references cannot be read");
    }
    if (name === "capabilities^{}") continue;
    const last = references.at(-1);
    if (last !== undefined && name === `${last.name}^{}`) last.peeled = id;
    else references.push({ name, id });
    if (references.length > limits.references) throw tooMany(limits);
  }
  return references;
}

function parseCapability(line: string): [string, string] {
  const equals = line.indexOf("=");
  return equals < 0 ? [line, ""] : [line.slice(0, equals), line.slice(equals + 1)];
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
