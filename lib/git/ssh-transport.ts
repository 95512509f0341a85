import { setTimeout as wait } from "node:timers/promises";
import type { ClientChannel } from "ssh2";
import { serverError } from "./capabilities.ts";
import { GitError } from "./git-error.ts";
import type { GitLimits } from "./limits.ts";
import { formatPacket, type Packet, parsePackets } from "./pkt-line.ts";
import { connectSsh, type SshCommand, type SshConnection, silentFor } from "./ssh-connection.ts";
import { parseSshUrl, type SshRemote, uploadPackCommand } from "./ssh-remote.ts";
import type { Transport } from "./transport.ts";

/** A transport over one connection, which whoever opens it closes. */
export type SshTransport = Transport & { close(): void };

/** One `git-upload-pack` that runs at the server. */
type Conversation = { channel: ClientChannel; packets: AsyncGenerator<Packet, void, undefined> };

/**
 * Git over SSH: `git-upload-pack` on a channel, told by a variable that version 2 is wanted, which a server may ignore (GE-002).
 * All channels are of one connection, which is made anew once where the server allows a single channel.
 */
export function sshTransport(
  remote: SshRemote,
  { silence }: Pick<GitLimits, "silence">,
  signal: AbortSignal,
): SshTransport {
  let connection: SshConnection | undefined;
  let idle: Conversation | undefined;

  const run = async (): Promise<SshCommand> => {
    const command = uploadPackCommand(parseSshUrl(remote.url).path);
    const environment = { GIT_PROTOCOL: "version=2" };
    const known = connection;
    connection ??= await connectSsh(remote, { silence }, signal);
    try {
      return await connection.run(command, environment);
    } catch (error) {
      if (known === undefined) throw error;
      known.close();
      connection = await connectSsh(remote, { silence }, signal);
      return connection.run(command, environment);
    }
  };
  const begin = async (): Promise<Conversation> => {
    const running = await run();
    if (connection === undefined) throw new GitError("unreachable", "the connection was closed");
    return { channel: running.channel, packets: packetsOf(running, connection, silence) };
  };
  /** One answer: what is read to its end leaves the conversation to the next command, what is broken off ends it. */
  async function* answer(
    conversation: Conversation,
    limit: number,
    isLast: boolean,
  ): AsyncGenerator<Packet, void, undefined> {
    let size = 0;
    let isEnded = false;
    try {
      for (;;) {
        const { value: packet, done } = await conversation.packets.next();
        if (done === true) return;
        if (packet.type === "data") size += packet.payload.length + 4;
        if (size > limit) throw new GitError("too-large", `the server's answer is larger than ${limit} bytes`);
        isEnded = packet.type === "flush";
        yield packet;
      }
    } finally {
      if (isEnded && !isLast) idle = conversation;
      else conversation.channel.close();
    }
  }
  return {
    advertisement: async (limit) => answer(await begin(), limit, false),
    command: async ({ version, body, limit }) => {
      if (idle === undefined) {
        for await (const packet of answer(await begin(), limit, false)) if (packet.type === "flush") break;
      }
      const conversation = idle;
      if (conversation === undefined) throw new GitError("protocol", "the server's advertisement ended early");
      idle = undefined;
      conversation.channel.write(body);
      // In the older versions the answer is the end of the conversation.
      return answer(conversation, limit, version === 0);
    },
    close: () => {
      idle?.channel.write(formatPacket({ type: "flush" }));
      connection?.close();
    },
  };
}

/** The packets of a command. Where it ends, what it complained of is thrown. */
async function* packetsOf(
  { channel, complaint, status, closed }: SshCommand,
  connection: SshConnection,
  silence: number,
): AsyncGenerator<Packet, void, undefined> {
  let broken: unknown;
  try {
    yield* parsePackets(chunksOf(channel, connection, silence));
  } catch (error) {
    broken = error;
  }
  const failure = connection.failure();
  if (failure !== undefined) throw failure;
  // The end of what it says comes before the status.
  await Promise.race([closed, wait(1000, undefined, { ref: false })]);
  if (complaint().length > 0) throw complaintError(complaint());
  if (broken !== undefined) throw broken;
  const code = status();
  if (code !== 0 && code !== undefined) {
    throw new GitError("refused", `git-upload-pack ended with exit status ${code}`);
  }
}

async function* chunksOf(
  channel: ClientChannel,
  connection: SshConnection,
  silence: number,
): AsyncGenerator<Buffer, void, undefined> {
  const chunks = channel[Symbol.asyncIterator]();
  for (;;) {
    const timer = setTimeout(() => connection.fail(silentFor(silence)), silence);
    const { value, done } = await chunks.next().finally(() => clearTimeout(timer));
    if (done === true) return;
    yield value;
  }
}

/** How servers say that there is no such repository, or none for this key: git itself, GitHub, GitLab, Bitbucket, Gitea, Azure DevOps. */
const notFound =
  /does not appear to be a git repository|repository .*not found|could not be found|does not exist|TF401019/i;

function complaintError(complaint: Buffer): GitError {
  const told = serverError(complaint);
  if (!notFound.test(told.message)) return told;
  return new GitError("not-found", `repository not found: ${told.message.replace(/^the server says: /, "")}`);
}
