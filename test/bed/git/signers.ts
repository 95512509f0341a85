import { execFile, execFileSync } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Whether a program can be run on this machine. */
export function isInstalled(program: string): boolean {
  try {
    execFileSync(program, ["--version"], { stdio: "ignore" });
    return true;
  } catch (error) {
    // ssh-keygen knows no such option, and says so.
    return !(error instanceof Error && "code" in error && error.code === "ENOENT");
  }
}

/** A repository on disk whose commits and tags git itself signs, with GnuPG or ssh-keygen. */
export type SigningRepository = {
  directory: string;
  git(args: readonly string[], input?: string | Buffer): Promise<Buffer>;
  /** Runs another program with the same keys at hand. */
  run(program: string, args: readonly string[], input?: string | Buffer): Promise<Buffer>;
  /** Makes an OpenPGP key; gives its id and its public key ring. `usage` and `expires` as GnuPG has them. */
  pgpKey(name: string, algorithm?: string, expires?: string): Promise<{ id: string; ring: string }>;
  /** Makes an SSH key; gives the path of its private half and the line of its public one. */
  sshKey(name: string, type: string, bits?: number): Promise<{ path: string; line: string }>;
  /** An object's bytes. */
  object(type: "commit" | "tag", name: string): Promise<Buffer>;
  close(): Promise<void>;
};

/** Makes an empty repository with the branch `main`. */
export async function openSigningRepository(): Promise<SigningRepository> {
  // GnuPG's sockets lie below: a long path would be no address.
  const directory = await mkdtemp(join(tmpdir(), "sign-"));
  const env = {
    PATH: process.env.PATH ?? "",
    HOME: directory,
    GNUPGHOME: directory,
    GIT_CONFIG_NOSYSTEM: "1",
    GIT_AUTHOR_NAME: "Jane",
    GIT_AUTHOR_EMAIL: "jane@example.com",
    GIT_COMMITTER_NAME: "Jane",
    GIT_COMMITTER_EMAIL: "jane@example.com",
  };
  const run: SigningRepository["run"] = (program, args, input) =>
    new Promise((resolve, reject) => {
      const options = { cwd: directory, env, encoding: "buffer", maxBuffer: 64 * 1024 * 1024 } as const;
      const child = execFile(program, args, options, (error, stdout, stderr) => {
        if (error === null) resolve(stdout);
        else reject(new Error(`${program} ${args.join(" ")}: ${stderr.toString("utf8")}`, { cause: error }));
      });
      child.stdin?.end(input);
    });
  const git: SigningRepository["git"] = (args, input) => run("git", args, input);
  await git(["init", "--quiet", "--initial-branch=main", "."]);
  await writeFile(join(directory, "a.txt"), "a\n");
  await git(["add", "a.txt"]);
  return {
    directory,
    git,
    run,
    pgpKey: async (name, algorithm = "ed25519", expires = "never") => {
      const batch = ["--batch", "--quiet", "--passphrase", ""];
      await run("gpg", [...batch, "--quick-generate-key", `${name} <${name}@example.com>`, algorithm, "sign", expires]);
      const listed = (await run("gpg", ["--batch", "--with-colons", "--list-keys", `${name}@`])).toString("utf8");
      const id = /^pub:(?:[^:]*:){3}([0-9A-F]{16}):/m.exec(listed)?.[1] ?? "";
      return { id, ring: (await run("gpg", ["--batch", "--armor", "--export", id])).toString("utf8") };
    },
    sshKey: async (name, type, bits) => {
      const path = join(directory, `${name}.key`);
      const size = bits === undefined ? [] : ["-b", String(bits)];
      await run("ssh-keygen", ["-q", "-t", type, ...size, "-N", "", "-C", name, "-f", path]);
      return { path, line: await readFile(`${path}.pub`, "utf8") };
    },
    object: async (type, name) => git(["cat-file", type, name]),
    close: async () => {
      if (isInstalled("gpgconf")) await run("gpgconf", ["--kill", "all"]);
      await rm(directory, { recursive: true, force: true });
    },
  };
}
