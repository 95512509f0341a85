import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir, userInfo } from "node:os";
import { delimiter, join } from "node:path";
import type { SshKey } from "./ssh-key.ts";

/** OpenSSH's server on the loopback interface, which lets this process's user in by a key and runs what it is asked to. */
export type OpenSshServer = { port: number; user: string; log(): string; stop(): Promise<void> };

/** Where sshd is on this machine, which most users have not in their path; undefined where it is not installed. */
export function findSshd(): string | undefined {
  const places = [...(process.env.PATH ?? "").split(delimiter), "/usr/sbin", "/usr/local/sbin", "/sbin"];
  return places.map((place) => join(place, "sshd")).find((path) => existsSync(path));
}

/** Starts sshd. `acceptsProtocol` is whether clients may say which version of Git's protocol they want. Rejects where it ends at once. */
export async function startOpenSshServer(
  program: string,
  { host, user, acceptsProtocol }: { host: SshKey; user: SshKey; acceptsProtocol: boolean },
): Promise<OpenSshServer> {
  const directory = await mkdtemp(join(tmpdir(), "sluice-sshd-"));
  const port = await freePort();
  const [hostKey, authorized, config] = ["host", "authorized_keys", "sshd_config"].map((name) => join(directory, name));
  if (hostKey === undefined || authorized === undefined || config === undefined) throw new Error("no path");
  await writeFile(hostKey, host.privateKey, { mode: 0o600 });
  await writeFile(authorized, `${user.publicKey}\n`, { mode: 0o600 });
  const lines = [
    `ListenAddress 127.0.0.1:${port}`,
    `HostKey ${hostKey}`,
    `AuthorizedKeysFile ${authorized}`,
    "StrictModes no",
    "UsePAM no",
    "PasswordAuthentication no",
    "KbdInteractiveAuthentication no",
    "PermitRootLogin prohibit-password",
    "PidFile none",
    ...(acceptsProtocol ? ["AcceptEnv GIT_PROTOCOL"] : []),
  ];
  await writeFile(config, `${lines.join("\n")}\n`);
  const child = spawn(program, ["-D", "-e", "-f", config], { stdio: ["ignore", "ignore", "pipe"] });
  let log = "";
  child.stderr.on("data", (chunk: Buffer) => {
    log += chunk.toString();
  });
  const ended = new Promise<void>((resolve) => child.once("close", () => resolve()));
  const listening = new Promise<void>((resolve) =>
    child.stderr.on("data", () => log.includes("Server listening") && resolve()),
  );
  const stop = async (): Promise<void> => {
    child.kill();
    await ended;
    await rm(directory, { recursive: true, force: true });
  };
  const early = ended.then(() => {
    throw new Error(`sshd does not start: ${log}`);
  });
  early.catch(() => undefined);
  await Promise.race([listening, early]);
  return { port, user: userInfo().username, log: () => log, stop };
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const address = server.address();
  await new Promise((done) => server.close(done));
  if (address === null || typeof address === "string") throw new Error("there is no free port");
  return address.port;
}
