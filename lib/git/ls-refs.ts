import { agent, refuseError } from "./capabilities.ts";
import { GitError } from "./git-error.ts";
import type { GitLimits } from "./limits.ts";
import { formatPacket, textOf, textPacket } from "./pkt-line.ts";
import { isObjectId, type Reference } from "./reference.ts";
import type { Packets } from "./transport.ts";

/** Writes the command ls-refs (gitprotocol-v2): every reference whose name begins with one of the prefixes. */
export function formatLsRefs(prefixes: readonly string[]): Buffer {
  return Buffer.concat([
    formatPacket(textPacket("command=ls-refs")),
    formatPacket(textPacket(`agent=${agent}`)),
    formatPacket({ type: "delimiter" }),
    formatPacket(textPacket("peel")),
    ...prefixes.map((prefix) => formatPacket(textPacket(`ref-prefix ${prefix}`))),
    formatPacket({ type: "flush" }),
  ]);
}

/** Reads one line of the answer to ls-refs, or undefined for a HEAD that points to nothing. Throws GitError `protocol`. */
export function parseReference(line: string): Reference | undefined {
  const [id = "", name = "", ...attributes] = line.split(" ");
  if (id === "unborn") return undefined;
  if (!isObjectId(id) || name === "") throw new GitError("protocol", "the server's list of references cannot be read");
  const peeled = attributes.find((attribute) => attribute.startsWith("peeled:"))?.slice("peeled:".length);
  if (peeled === undefined) return { name, id };
  if (!isObjectId(peeled)) throw new GitError("protocol", "the server's list of references cannot be read");
  return { name, id, peeled };
}

/** Reads the answer to ls-refs. Throws GitError `protocol`, `refused` and `too-large`. */
export async function parseReferences(packets: Packets, limits: Pick<GitLimits, "references">): Promise<Reference[]> {
  const references: Reference[] = [];
  for await (const packet of packets) {
    const line = textOf(packet);
    if (line === undefined) return references;
    refuseError(packet);
    const reference = parseReference(line);
    if (reference !== undefined) references.push(reference);
    if (references.length > limits.references) {
      throw new GitError("too-large", `the server lists more than ${limits.references} references`);
    }
  }
  throw new GitError("protocol", "the server's list of references ended early");
}
