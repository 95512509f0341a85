import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { SopsPrograms } from "./sops.ts";

/** A format as sops names it. */
export type SopsType = "binary" | "dotenv" | "ini" | "json" | "yaml";

/** An age key pair: the file of the identity, as age-keygen writes it, and the recipient. */
export type AgePair = { identity: string; recipient: string };

/** The sops and age command lines at work in a directory of their own, without any key of whoever runs the tests. */
export type SopsWorkshop = {
  directory: string;
  /** Makes an age key, of the post-quantum kind with `pq`. */
  ageKey(kind?: "x25519" | "pq"): Promise<AgePair>;
  /**
   * Encrypts; `args` say for whom and how (`--age`, `--pgp`, `--encrypted-regex`, ...). `config` is the content of a `.sops.yaml`;
   * `credentials` are variables by which sops reaches the service of a key.
   */
  encrypt(
    content: string | Uint8Array,
    type: SopsType,
    args: readonly string[],
    config?: string,
    credentials?: Record<string, string>,
  ): Promise<Buffer>;
  /** Decrypts with age identities, as sops itself does it. */
  decrypt(content: Uint8Array, type: SopsType, output: SopsType, identity: string): Promise<Buffer>;
  /** Puts public keys (not armored) into the keyring that `--pgp` looks in. */
  setPublicKeyring(keys: Uint8Array): Promise<void>;
  close(): Promise<void>;
};

/** Opens a workshop, whose directory goes with `close`. */
export async function openSopsWorkshop(programs: SopsPrograms): Promise<SopsWorkshop> {
  const directory = await mkdtemp(join(tmpdir(), "sluice-sops-"));
  const keyring = join(directory, "pubring.gpg");
  let files = 0;
  const put = async (content: string | Uint8Array): Promise<string> => {
    files += 1;
    const path = join(directory, `file-${files}`);
    await writeFile(path, content, { mode: 0o600 });
    return path;
  };
  // Neither the keys nor the gpg of this machine.
  const env = { HOME: directory, GNUPGHOME: directory, SOPS_GPG_EXEC: "/nonexistent", SOPS_DISABLE_VERSION_CHECK: "1" };
  const types = (type: SopsType, output: SopsType) => ["--input-type", type, "--output-type", output];
  return {
    directory,
    ageKey: async (kind = "x25519") => {
      const identity = (await run(programs.ageKeygen, kind === "pq" ? ["-pq"] : [], env)).toString("utf8");
      return { identity, recipient: /^# public key: (\S+)/m.exec(identity)?.[1] ?? "" };
    },
    encrypt: async (content, type, args, config, credentials = {}) => {
      const configured = config === undefined ? ["--config", "/dev/null"] : ["--config", await put(config)];
      const path = await put(content);
      const all = [...configured, "encrypt", ...types(type, type), ...args, path];
      return run(programs.sops, all, { ...env, ...credentials });
    },
    decrypt: async (content, type, output, identity) =>
      run(programs.sops, ["decrypt", ...types(type, output), await put(content)], { ...env, SOPS_AGE_KEY: identity }),
    setPublicKeyring: (keys) => writeFile(keyring, keys),
    close: () => rm(directory, { recursive: true, force: true }),
  };
}

function run(command: string, args: readonly string[], env: Record<string, string>): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    execFile(command, args, { env, encoding: "buffer", maxBuffer: 64 * 1024 * 1024 }, (error, stdout, stderr) =>
      error === null
        ? resolve(stdout)
        : reject(new Error(`${command} ${args[0] ?? ""} failed: ${stderr.toString("utf8")}`)),
    );
  });
}
