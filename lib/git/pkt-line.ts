import { GitError } from "./git-error.ts";

/**
 * One packet of Git's wire protocol (gitprotocol-common, "pkt-line"): data, or one of the three special packets of protocol
 * version 2 that end an answer, part its sections, or end a response of a stateless connection.
 */
export type Packet = { type: "data"; payload: Buffer } | { type: "flush" } | { type: "delimiter" } | { type: "end" };

/** Most that one packet may hold, in bytes without its four digits of length. */
export const packetLimit = 65_516;

const special = { flush: "0000", delimiter: "0001", end: "0002" } as const;

/** Writes one packet. Throws RangeError where the payload does not fit into one. */
export function formatPacket(packet: Packet): Buffer {
  if (packet.type !== "data") return Buffer.from(special[packet.type], "latin1");
  const { payload } = packet;
  if (payload.length > packetLimit) throw new RangeError(`a packet holds ${packetLimit} bytes at most`);
  const digits = (payload.length + 4).toString(16).padStart(4, "0");
  return Buffer.concat([Buffer.from(digits, "latin1"), payload]);
}

/** A line of text as a data packet, with the line feed that senders should add. */
export function textPacket(text: string): Packet {
  return { type: "data", payload: Buffer.from(`${text}\n`, "utf8") };
}

/** The text of a data packet, without the line feed that it may end with; undefined for every other packet. */
export function textOf(packet: Packet): string | undefined {
  return packet.type === "data" ? packet.payload.toString("utf8").replace(/\n$/, "") : undefined;
}

/**
 * Reads packets from a stream of bytes however it is cut. Ends with the stream. Throws GitError `protocol` where a length is not
 * one, or where the stream ends within a packet.
 */
export async function* parsePackets(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Packet, void, undefined> {
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of chunks) {
    const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    rest = rest.length === 0 ? bytes : Buffer.concat([rest, bytes]);
    let offset = 0;
    while (rest.length - offset >= 4) {
      const length = parseLength(rest, offset);
      if (length < 4) {
        yield { type: length === 0 ? "flush" : length === 1 ? "delimiter" : "end" };
        offset += 4;
        continue;
      }
      if (rest.length - offset < length) break;
      yield { type: "data", payload: rest.subarray(offset + 4, offset + length) };
      offset += length;
    }
    rest = rest.subarray(offset);
  }
  if (rest.length > 0) throw new GitError("protocol", "the server's answer ended in the middle of a packet");
}

function parseLength(bytes: Buffer, offset: number): number {
  const digits = bytes.toString("latin1", offset, offset + 4);
  const length = /^[0-9a-fA-F]{4}$/.test(digits) ? Number.parseInt(digits, 16) : Number.NaN;
  if (Number.isNaN(length) || length === 3 || length > packetLimit + 4) {
    throw new GitError(
      "protocol",
      `the server's answer is not in Git's packets: invalid pkt-len ${JSON.stringify(digits)}`,
    );
  }
  return length;
}
