import type { Duplex } from "node:stream";
import type { AuthMethod, Client, ClientChannel, ConnectConfig, ParsedKey } from "ssh2";
import { openConnection } from "../platform/outbound.ts";
import { messageOf } from "../text/error-message.ts";
import { GitError } from "./git-error.ts";
import { knownHost } from "./known-hosts.ts";
import type { GitLimits } from "./limits.ts";
import { hostKeyAlgorithms, kexAlgorithms } from "./ssh-algorithms.ts";
import { parseIdentity } from "./ssh-identity.ts";
import { parseSshUrl, type SshRemote } from "./ssh-remote.ts";

/** A command that runs at the server. */
export type SshCommand = {
  channel: ClientChannel;
  /** The first bytes that it complained of so far. */
  complaint(): Buffer;
  /** What it ended with, if the server has said so. */
  status(): unknown;
  closed: Promise<void>;
};

/** A connection to an SSH server that knows who asks. */
export type SshConnection = {
  /** Begins a command with the variables that the server may set for it. Throws GitError. */
  run(command: string, environment: Record<string, string>): Promise<SshCommand>;
  /** Why the connection ended, if it did otherwise than by `close`. */
  failure(): GitError | undefined;
  /** Ends the connection at once; every channel ends with it. */
  fail(error: GitError): void;
  /** Ends the connection, whatever is under way on it. */
  close(): void;
};

/** Bytes of a command's complaints that are read. */
const complaintLimit = 4096;
/** Bytes that a server may send before it has let the client in: banners among them. */
const greetingLimit = 1024 * 1024;

/**
 * Connects to an SSH server, checks its key against known_hosts, and shows the private key (GIT-056 to GIT-060). `limits.silence`
 * bounds the whole of it. Throws GitError in the words of Go's ssh: `unreachable` where there is no connection or the server's key
 * is not the known one, `authentication-required` where the private key opens nothing, and as `parseIdentity` and `knownHost`.
 */
export async function connectSsh(
  remote: SshRemote,
  { silence }: Pick<GitLimits, "silence">,
  signal: AbortSignal,
): Promise<SshConnection> {
  const { ssh } = remote;
  const { user, host, port } = parseSshUrl(remote.url);
  const known = knownHost(ssh.knownHosts, host, port);
  const kex = kexAlgorithms(ssh.kexAlgorithms);
  const serverHostKey = hostKeyAlgorithms(ssh.hostKeyAlgorithms, known.types);
  const key = await parseIdentity(ssh.identity, ssh.password);
  const { Client } = (await import("ssh2")).default;
  const bounded = AbortSignal.any([signal, AbortSignal.timeout(silence)]);
  const socket = await dial(remote, host, port, bounded).catch((error: unknown) => {
    throw signal.aborted ? signal.reason : error;
  });
  let objection: string | undefined;
  const client = new Client();
  const opened = connectionOf(client, socket, silence, signal);
  const access: AuthMethod & { key: ParsedKey } = { type: "publickey", username: user, key };
  const config: ConnectConfig = {
    sock: socket as NonNullable<ConnectConfig["sock"]>,
    ident: "sluice",
    username: user,
    authHandler: [access],
    algorithms: { serverHostKey, ...(kex === undefined ? {} : { kex }) },
    hostVerifier: (blob: Buffer) => {
      objection = known.objection(blob);
      return objection === undefined;
    },
    readyTimeout: 0,
  };
  try {
    await handshake(client, socket, config, bounded);
    return opened;
  } catch (error) {
    opened.close();
    socket.destroy();
    if (signal.aborted) throw signal.reason;
    if (objection !== undefined) throw handshakeError(objection, error);
    if (bounded.aborted) throw handshakeError(`the server did not let the client in within ${silence / 1000} s`, error);
    throw refusal(error, serverHostKey);
  }
}

async function dial(remote: SshRemote, host: string, port: number, signal: AbortSignal): Promise<Duplex> {
  try {
    return await openConnection(remote.outbound ?? {}, host, port, signal);
  } catch (error) {
    const words = signal.aborted ? `dial tcp ${host}:${port}: i/o timeout` : wordsOf(error);
    throw new GitError("unreachable", words, { cause: error });
  }
}

function connectionOf(client: Client, socket: Duplex, silence: number, signal: AbortSignal): SshConnection {
  let failure: GitError | undefined;
  const fail = (error: GitError): void => {
    failure ??= error;
    socket.destroy();
  };
  const abort = (): void => fail(new GitError("unreachable", "the connection was given up"));
  signal.addEventListener("abort", abort, { once: true });
  client.on("error", (error) => fail(new GitError("unreachable", `ssh: ${wordsOf(error)}`, { cause: error })));
  socket.once("close", () => signal.removeEventListener("abort", abort));
  return {
    failure: () => failure,
    fail,
    run: (command, env) =>
      new Promise<SshCommand>((resolve, reject) => {
        const refused = (why: string): GitError =>
          failure ?? new GitError("refused", `ssh: the server does not run ${command.split(" ", 1)[0]}: ${why}`);
        const timer = setTimeout(() => fail(silentFor(silence)), silence);
        const lost = (): void => {
          clearTimeout(timer);
          reject(failure ?? new GitError("unreachable", "ssh: the connection was closed"));
        };
        socket.once("close", lost);
        try {
          client.exec(command, { env }, (error, channel) => {
            clearTimeout(timer);
            socket.off("close", lost);
            if (error === undefined) resolve(watched(channel));
            else reject(refused(wordsOf(error)));
          });
        } catch {
          // The server has hung up since it let the client in.
          lost();
        }
      }),
    close: () => {
      signal.removeEventListener("abort", abort);
      client.end();
      // A server that does not answer the farewell is left.
      setTimeout(() => socket.destroy(), 1000).unref();
    },
  };
}

/** At once: a command may end before it is looked at again. */
function watched(channel: ClientChannel): SshCommand {
  let complaint = Buffer.alloc(0);
  let status: unknown;
  channel.stderr.on("data", (chunk: Buffer) => {
    complaint = Buffer.concat([complaint, chunk.subarray(0, complaintLimit - complaint.length)]);
  });
  channel.once("exit", (code: unknown) => {
    status = code;
  });
  const closed = new Promise<void>((resolve) => channel.once("close", resolve));
  return { channel, complaint: () => complaint, status: () => status, closed };
}

/** A server that has said nothing for that many milliseconds. */
export function silentFor(milliseconds: number): GitError {
  return new GitError("unreachable", `the server was silent for ${milliseconds / 1000} s`);
}

function handshake(client: Client, socket: Duplex, config: ConnectConfig, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    let received = 0;
    const count = (chunk: Buffer): void => {
      received += chunk.length;
      if (received > greetingLimit)
        end(new Error(`the server sent more than ${greetingLimit} bytes before it let the client in`));
    };
    const end = (error?: unknown): void => {
      socket.off("data", count);
      signal.removeEventListener("abort", abort);
      if (error === undefined) resolve();
      else reject(error);
    };
    const abort = (): void => end(signal.reason);
    signal.addEventListener("abort", abort, { once: true });
    // The connection may have come about at that very moment.
    if (signal.aborted) return abort();
    client.once("ready", () => end());
    client.once("error", end);
    client.once("close", () => end(new Error("EOF")));
    client.connect(config);
    // Small messages in turn: each would wait 40 ms for the acknowledgment of the one before.
    client.setNoDelay(true);
    socket.on("data", count);
  });
}

function refusal(error: unknown, offered: readonly string[]): GitError {
  const level = error instanceof Error && "level" in error ? error.level : "";
  if (level === "client-authentication") {
    const words = "ssh: unable to authenticate, attempted methods [none publickey], no supported methods remain";
    return new GitError("authentication-required", `ssh: handshake failed: ${words}`, { cause: error });
  }
  const words = wordsOf(error);
  if (/^Connection lost/.test(words)) return handshakeError("EOF", error);
  if (/no matching host key format/.test(words)) {
    return handshakeError(`ssh: no common algorithm for host key; we offered: [${offered.join(" ")}]`, error);
  }
  return handshakeError(words.replace(/^Handshake failed: no matching/, "ssh: no common algorithm:"), error);
}

function handshakeError(words: string, cause: unknown): GitError {
  return new GitError("unreachable", `ssh: handshake failed: ${words}`, { cause });
}

/** The words of an error, which may be a server's: without what is not printable, and bounded. */
function wordsOf(error: unknown): string {
  const message = messageOf(error);
  return message
    .replace(/[\p{Cc}\p{Cf}\s]+/gu, " ")
    .trim()
    .slice(0, 300);
}
