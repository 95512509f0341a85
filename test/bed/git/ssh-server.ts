import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import type { Connection, PublicKeyAuthContext, ServerChannel, ServerConfig } from "ssh2";
import ssh2 from "ssh2";

/** What came in on one channel: the command, and the variables that the client asked for. */
export type SshRequest = { command: string; user: string; environment: Record<string, string> };

/** Git over SSH by git's own `git upload-pack`, on the loopback interface. */
export type SshServer = {
  port: number;
  /** `ssh://git@127.0.0.1:<port>/<name>.git` of a repository of the directory. */
  url(name: string): string;
  /** Every command so far; a test may empty it. */
  requests: SshRequest[];
  /** Connections that came in, and that are open now. */
  connections: { all: number; open: number };
  /** The negotiated host key algorithm of the last connection. */
  negotiated: () => string | undefined;
  /** Set it to misbehave: called for each command, it answers the channel itself and returns true, or returns false. */
  intercept: (channel: ServerChannel, request: SshRequest) => boolean;
  stop(): Promise<void>;
};

/**
 * `directory` holds the repositories; `hostKeys` are PEM texts or OpenSSH's. Only `authorizedKeys` (OpenSSH public keys)
 * come in. `oldProtocol` drops the client's wish for protocol version 2 as old servers do; `singleChannel` refuses a second one; `hangsUp` ends the
 * connection once the client is in.
 */
export type SshServerOptions = {
  directory: string;
  hostKeys: string[];
  authorizedKeys: string[];
  oldProtocol?: boolean;
  singleChannel?: boolean;
  hangsUp?: boolean;
  algorithms?: ServerConfig["algorithms"];
};

/** Starts an SSH server. */
export async function startSshServer(options: SshServerOptions): Promise<SshServer> {
  const { directory, hostKeys, algorithms } = options;
  const clients = new Set<Connection>();
  let negotiated: string | undefined;
  const serve = (client: Connection): void => {
    clients.add(client);
    // Its types leave it out.
    if ("setNoDelay" in client && typeof client.setNoDelay === "function") client.setNoDelay(true);
    server.connections.all++;
    server.connections.open++;
    client.on("error", () => undefined);
    client.on("handshake", (agreed) => {
      negotiated = agreed.serverHostKey;
    });
    client.once("close", () => {
      clients.delete(client);
      server.connections.open--;
    });
    let user = "";
    client.on("authentication", (context) => {
      user = context.username;
      if (context.method === "publickey" && isAuthorized(context, options)) context.accept();
      else context.reject(["publickey"]);
    });
    client.on("ready", () => {
      if (options.hangsUp === true) client.end();
      let channels = 0;
      client.on("session", (accept, reject) => {
        if (options.singleChannel === true && channels++ > 0) return reject();
        const session = accept();
        const environment: Record<string, string> = {};
        session.on("env", (agree, _, { key, val }) => {
          environment[key] = val;
          agree?.();
        });
        session.on("exec", (agree, _, { command }) => {
          const request = { command, user, environment };
          server.requests.push(request);
          const channel = agree();
          if (!server.intercept(channel, request)) runGit(channel, request, options);
        });
        return undefined;
      });
    });
  };
  const listener = new ssh2.Server({ hostKeys, ...(algorithms === undefined ? {} : { algorithms }) }, serve);
  listener.listen(0, "127.0.0.1");
  await once(listener, "listening");
  const address = listener.address();
  if (address === null || typeof address === "string") throw new Error("the SSH server has no port");
  const { port } = address;
  const server: SshServer = {
    port,
    url: (name) => `ssh://git@127.0.0.1:${port}${join(directory, `${name}.git`)}`,
    requests: [],
    connections: { all: 0, open: 0 },
    negotiated: () => negotiated,
    intercept: () => false,
    stop: async () => {
      for (const client of clients) client.end();
      await new Promise<void>((resolve) => {
        listener.close(() => resolve());
      });
    },
  };
  return server;
}

/** A client asks first whether a key would do, and signs then. */
function isAuthorized(context: PublicKeyAuthContext, { authorizedKeys }: SshServerOptions): boolean {
  const shown = context.key.data.toString("base64");
  const known = authorizedKeys?.find((key) => key.split(" ")[1] === shown);
  const key = known === undefined ? undefined : ssh2.utils.parseKey(known);
  if (key === undefined || key instanceof Error) return false;
  const { blob, signature, hashAlgo } = context;
  return signature === undefined || (blob !== undefined && key.verify(blob, signature, hashAlgo) === true);
}

/** Runs what the client asks for by a shell as sshd does, if it is `git-upload-pack`. */
function runGit(channel: ServerChannel, { command, environment }: SshRequest, options: SshServerOptions): void {
  if (!/^git-upload-pack '[^\n]*'$/.test(command)) {
    channel.stderr.write("fatal: unrecognized command\n");
    channel.exit(128);
    channel.end();
    return;
  }
  const child = spawn("sh", ["-c", command.replace("git-upload-pack", "git upload-pack")], {
    cwd: options.directory,
    env: {
      PATH: process.env.PATH ?? "",
      GIT_CONFIG_NOSYSTEM: "1",
      GIT_CONFIG_GLOBAL: "/dev/null",
      ...(options.oldProtocol === true ? {} : environment),
    },
  });
  channel.pipe(child.stdin);
  child.stdin.on("error", () => undefined);
  child.stdout.pipe(channel, { end: false });
  child.stderr.on("data", (chunk: Buffer) => channel.stderr.write(chunk));
  channel.once("close", () => child.kill("SIGKILL"));
  child.once("close", (code) => {
    channel.exit(code ?? 1);
    channel.end();
  });
}
