import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

/** A pair of keys as ssh-keygen writes them: the private one in OpenSSH's form or PEM, the public one as a line of text. */
export type SshKey = { privateKey: string; publicKey: string };

/** How to make one: `bits` of RSA or ECDSA, `form` of the private key (OpenSSH's unless given), the password that encrypts it. */
export type SshKeyOptions = {
  type: "rsa" | "ecdsa" | "ed25519";
  bits?: number;
  form?: "PEM" | "PKCS8";
  password?: string;
};

/** Makes a key by the real ssh-keygen. */
export async function createSshKey({ type, bits, form, password = "" }: SshKeyOptions): Promise<SshKey> {
  const directory = await mkdtemp(join(tmpdir(), "sluice-ssh-key-"));
  const file = join(directory, "key");
  const args = ["-q", "-t", type, "-f", file, "-N", password, "-C", "test"];
  if (bits !== undefined) args.push("-b", String(bits));
  if (form !== undefined) args.push("-m", form);
  try {
    await run("ssh-keygen", args);
    const [privateKey, publicKey] = await Promise.all([readFile(file, "utf8"), readFile(`${file}.pub`, "utf8")]);
    return { privateKey, publicKey: publicKey.trim() };
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** A line of known_hosts for a server on the loopback interface. */
export function knownHostsLine({ publicKey }: Pick<SshKey, "publicKey">, port: number, host = "127.0.0.1"): string {
  return `${port === 22 ? host : `[${host}]:${port}`} ${publicKey}\n`;
}
