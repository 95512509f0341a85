import type { Packet } from "./pkt-line.ts";

/** The packets of one answer. Breaking off the reading ends the answer. */
export type Packets = AsyncIterable<Packet>;

/** One request as it is formatted, the version of the protocol that it is written in, and the most bytes that its answer may have. */
export type Command = { version: 0 | 2; body: Buffer; limit: number };

/**
 * Reaches one repository's `git-upload-pack` and asks it for protocol version 2 (gitprotocol-v2), which a server may not have.
 * Over HTTP each command is a request of its own; over SSH commands follow the advertisement on one channel.
 */
export type Transport = {
  /** Begins a conversation: the packets of the server's advertisement, of at most `limit` bytes. Throws GitError. */
  advertisement(limit: number, signal: AbortSignal): Promise<Packets>;
  /** Sends one command and gives the packets of its answer. Throws GitError. */
  command(command: Command, signal: AbortSignal): Promise<Packets>;
};
