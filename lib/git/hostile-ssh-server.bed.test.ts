import { mkdtemp, rm } from "node:fs/promises";
import { connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ServerChannel } from "ssh2";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { createRepository } from "../../lib/host/git/repository.ts";
import { isInstalled } from "../../test/bed/git/signers.ts";
import { createSshKey, knownHostsLine, type SshKey } from "../../test/bed/git/ssh-key.ts";
import { type SshServer, type SshServerOptions, startSshServer } from "../../test/bed/git/ssh-server.ts";
import { fetchArchive, resolveRevision } from "./fetch.ts";
import { defaultLimits, type GitLimits } from "./limits.ts";
import { formatPacket, textPacket } from "./pkt-line.ts";
import { withSession } from "./session.ts";
import type { SshRemote } from "./ssh-remote.ts";

let directory: string;
let host: SshKey;
let user: SshKey;
const stops: (() => unknown)[] = [];

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "sluice-hostile-ssh-"));
  [host, user] = await Promise.all([createSshKey({ type: "ed25519" }), createSshKey({ type: "ed25519" })]);
  await (await createRepository(directory, "ssh://", "app", {})).commit({ a: "1" });
});
afterEach(async () => {
  await Promise.all(stops.splice(0).map((stop) => stop()));
});
afterAll(() => rm(directory, { recursive: true, force: true }));

function remoteAt(port: number): SshRemote {
  const knownHosts = knownHostsLine(host, port);
  return { url: `ssh://git@127.0.0.1:${port}${directory}/app.git`, ssh: { identity: user.privateKey, knownHosts } };
}

async function serve(
  intercept?: (channel: ServerChannel) => void,
  options: Pick<SshServerOptions, "hangsUp"> = {},
): Promise<SshServer> {
  const server = await startSshServer({
    ...options,
    directory,
    hostKeys: [host.privateKey],
    authorizedKeys: [user.publicKey],
  });
  stops.push(() => server.stop());
  if (intercept !== undefined)
    server.intercept = (channel) => {
      intercept(channel);
      return true;
    };
  return server;
}

/** A server that does what a test makes of each connection. */
async function listening(answer: (socket: Socket) => void): Promise<number> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
    answer(socket);
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  stops.push(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const address = server.address();
  return typeof address === "object" && address !== null ? address.port : 0;
}

/** How listing fails, and within how many milliseconds. */
async function failure(remote: SshRemote, own: Partial<GitLimits> = {}, signal = AbortSignal.timeout(30_000)) {
  const limits = { ...defaultLimits, silence: 500, ...own };
  const started = performance.now();
  const error: unknown = await withSession(remote, limits, signal, (session) => session.references([""])).then(
    () => new Error("listed"),
    (reason: unknown) => reason,
  );
  const { code, message } = error as { code?: string; message: string };
  return { code, message, took: performance.now() - started };
}

describe.runIf(isInstalled("ssh-keygen"))("SSH servers that mean no good", () => {
  it("GE-002, GIT-022: one that is silent, and one that sends banners without an end", async () => {
    const silent = await failure(remoteAt(await listening(() => undefined)));
    expect(silent.message).toBe("ssh: handshake failed: the server did not let the client in within 0.5 s");
    expect(silent.took).toBeLessThan(5000);
    const banner = (socket: Socket) => {
      const more = (): void => {
        if (socket.destroyed) return;
        if (socket.write(`${"banner ".repeat(100)}\r\n`)) setImmediate(more);
        else socket.once("drain", more);
      };
      more();
    };
    const endless = await failure(remoteAt(await listening(banner)), { silence: 20_000 });
    expect(endless.code).toBe("unreachable");
    expect(endless.message).toMatch(/handshake failed: (the server sent more than|Max greeting lines)/);
    expect(endless.took).toBeLessThan(15_000);
    const dripping = (socket: Socket) => {
      const timer = setInterval(() => socket.write("x"), 50);
      socket.once("close", () => clearInterval(timer));
    };
    expect((await failure(remoteAt(await listening(dripping)))).took).toBeLessThan(5000);
  });

  it("GE-002: one that hangs up, one that is none, and a port that nobody listens at", async () => {
    const closing = await failure(remoteAt(await listening((socket) => socket.end())));
    expect(closing).toMatchObject({ code: "unreachable", message: "ssh: handshake failed: EOF" });
    const letting = await failure(remoteAt((await serve(undefined, { hangsUp: true })).port));
    expect(letting.code).toBe("unreachable");
    const page = await failure(remoteAt(await listening((socket) => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n"))));
    expect(page.message).toMatch(/^ssh: handshake failed: /);
    const garbage = await failure(
      remoteAt(await listening((socket) => socket.write(`SSH-2.0-x\r\n${"\xff".repeat(100)}`))),
    );
    expect(garbage.message).toMatch(/^ssh: handshake failed: /);
    const port = await listening(() => undefined);
    await Promise.all(stops.splice(0).map((stop) => stop()));
    expect((await failure(remoteAt(port))).message).toMatch(/connection refused/);
  });

  it("GIT-056, GE-002: one that does not know the key", async () => {
    const server = await serve();
    const other = await createSshKey({ type: "ed25519" });
    const { url, ssh } = remoteAt(server.port);
    const told = await failure({ url, ssh: { ...ssh, identity: other.privateKey } });
    expect(told).toMatchObject({
      code: "authentication-required",
      message:
        "ssh: handshake failed: ssh: unable to authenticate, attempted methods [none publickey], no supported methods remain",
    });
    await expect.poll(() => server.connections.open).toBe(0);
  });

  it("GIT-059: one whose key has changed since the last time", async () => {
    const server = await serve();
    expect((await failure(remoteAt(server.port), { silence: 5000 })).message).toBe("listed");
    const { url, ssh } = remoteAt(server.port);
    const before = knownHostsLine(await createSshKey({ type: "ed25519" }), server.port);
    const source = { url, ssh: { ...ssh, knownHosts: before }, reference: { branch: "main" } };
    await expect(resolveRevision(source, AbortSignal.timeout(30_000))).rejects.toThrow(
      /^unable to clone 'ssh:\/\/git@127.*': ssh: handshake failed: knownhosts: key mismatch$/,
    );
  });

  it("GE-002: what a command ends with is told, bounded and printable", async () => {
    const complaining = (text: string, status: number) => (channel: ServerChannel) => {
      channel.stderr.write(text);
      channel.exit(status);
      channel.end();
    };
    const of = async (intercept: (channel: ServerChannel) => void) =>
      failure(remoteAt((await serve(intercept)).port), { silence: 5000 });
    expect(await of(complaining("ERROR: Repository not found.\n", 1))).toMatchObject({
      code: "not-found",
      message: "repository not found: ERROR: Repository not found.",
    });
    const long = await of(complaining(`no\u001b[31m${"x".repeat(100_000)}`, 128));
    expect(long.code).toBe("refused");
    expect(long.message).toMatch(/^the server says: no \[31mx+$/);
    expect(long.message.length).toBeLessThan(600);
    expect((await of(complaining("", 127))).message).toBe("git-upload-pack ended with exit status 127");
    expect((await of(complaining("", 0))).message).toBe("the server's advertisement ended early");
    const refusing = await serve((channel) => channel.close());
    expect((await failure(remoteAt(refusing.port))).code).toMatch(/protocol|refused/);
  });

  it("GE-002, GIT-022: one that stops in the middle, and a reader that gives up", async () => {
    const silent = await serve(() => undefined);
    const told = await failure(remoteAt(silent.port));
    expect(told).toMatchObject({ code: "unreachable", message: "the server was silent for 0.5 s" });
    expect(told.took).toBeLessThan(5000);
    const controller = new AbortController();
    setTimeout(() => controller.abort(new Error("enough")), 300);
    const given = await failure(remoteAt(silent.port), { silence: 20_000 }, controller.signal);
    expect(given.message).toBe("enough");
    expect(given.took).toBeLessThan(5000);
    await expect.poll(() => silent.connections.open).toBe(0);
    const partly = await serve((channel) => channel.write(formatPacket(textPacket("version 2"))));
    expect((await failure(remoteAt(partly.port))).message).toBe("the server was silent for 0.5 s");
    const lost = await serve((channel) => {
      channel.write("00");
      channel.end();
    });
    expect((await failure(remoteAt(lost.port))).message).toMatch(/ended in the middle of a packet/);
  });

  it("GE-002: advertisements, listings and complaints without an end", async () => {
    const endless = (line: string) => (channel: ServerChannel) => {
      const packet = formatPacket(textPacket(line));
      const block = Buffer.concat(Array.from({ length: 200 }, () => packet));
      channel.write(formatPacket(textPacket("version 2")));
      const more = (): void => {
        if (channel.destroyed || !channel.writable) return;
        if (channel.write(block)) setImmediate(more);
        else channel.once("drain", more);
      };
      more();
    };
    const server = await serve(endless(`x=${"y".repeat(500)}`));
    const told = await failure(remoteAt(server.port), { silence: 10_000 });
    expect(told).toMatchObject({ code: "too-large" });
    const errors = await serve((channel) => {
      const more = (): void => {
        if (channel.destroyed || !channel.writable) return;
        if (channel.stderr.write("x".repeat(10_000))) setImmediate(more);
        else channel.stderr.once("drain", more);
      };
      more();
    });
    const never = await failure(remoteAt(errors.port));
    expect(never.message).toBe("the server was silent for 0.5 s");
  });

  it("GE-002: bytes that are not what the server sent", async () => {
    const server = await serve();
    const { url, ssh } = remoteAt(server.port);
    const codes = new Set<unknown>();
    for (let round = 0; round < 80; round++) {
      // One byte of the first thousand is another: banner, key exchange, host key, signature, and what is encrypted.
      const position = Math.floor(Math.random() * 1500);
      const port = await listening((socket) => {
        const behind = connect(server.port, "127.0.0.1");
        let seen = 0;
        behind.on("data", (chunk) => {
          if (position >= seen && position < seen + chunk.length)
            chunk[position - seen] = Math.floor(Math.random() * 256);
          seen += chunk.length;
          socket.write(chunk);
        });
        socket.on("data", (chunk) => behind.write(chunk));
        for (const side of [behind, socket]) side.on("error", () => undefined);
        behind.once("close", () => socket.destroy());
        socket.once("close", () => behind.destroy());
      });
      const at = url.replace(String(server.port), String(port));
      const knownHosts = ssh.knownHosts.replace(String(server.port), String(port));
      const told = await failure({ url: at, ssh: { ...ssh, knownHosts } }, { silence: 400 });
      if (told.message !== "listed") codes.add(told.code);
      expect(told.took).toBeLessThan(5000);
    }
    for (const code of codes) expect(["unreachable", "authentication-required", "refused", "protocol"]).toContain(code);
    expect(codes.size).toBeGreaterThan(0);
  });

  it("GIT-022: a fetch from a server that goes silent ends with the deadline", async () => {
    const server = await serve();
    const source = { ...remoteAt(server.port), reference: { branch: "main" } };
    const resolved = await resolveRevision(source, AbortSignal.timeout(30_000));
    server.intercept = () => true;
    const started = performance.now();
    await expect(fetchArchive(source, resolved, AbortSignal.timeout(500))).rejects.toThrow(/context deadline exceeded/);
    expect(performance.now() - started).toBeLessThan(5000);
  });
});
