import type { Packet } from "./pkt-line.ts";

/** The packets of one answer. Breaking off the reading ends the answer. */
export type Packets = AsyncIterable<Packet>;

/**
 * Reaches one repository's `git-upload-pack` and asks it for protocol version 2 (gitprotocol-v2). A way of reaching it over
 * another carrier than HTTP is another value of this type: over SSH both methods read from one channel.
 */
export type Transport = {
  /** Begins a conversation: the packets of the server's capability advertisement. Throws GitError. */
  advertisement(signal: AbortSignal): Promise<Packets>;
  /** Sends one command as it is formatted and gives the packets of its answer. `limit` bounds the answer in bytes. Throws GitError. */
  command(request: Buffer, limit: number, signal: AbortSignal): Promise<Packets>;
};
