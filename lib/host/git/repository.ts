import { spawn } from "node:child_process";
import { appendFile, mkdir, readFile } from "node:fs/promises";
import { dirname, join } from "node:path";

/** `anySha`: whether a client may fetch any object by its id (GitHub and GitLab allow it), not only what a ref names. Allowed unless false. */
export type RepositoryOptions = { anySha?: boolean };

/** Where a commit goes and what it says. `tag` puts a lightweight tag on it; `annotated` makes the tag an object with a message. */
export type CommitOptions = { branch?: string; message?: string; tag?: string; annotated?: boolean };

/** A bare repository of the Git server. */
export type GitRepository = {
  url: string;
  /** The bare repository itself. */
  directory: string;
  /**
   * Commits on top of `branch` (`main` unless given) as one push does: a string is a file's new content, null removes the file or
   * directory. Bytes are written as they are. The branch begins with the first commit. Resolves with the commit's id.
   */
  commit(files: Record<string, string | Uint8Array | null>, options?: CommitOptions): Promise<string>;
  /** Runs git in the bare repository and resolves with what it printed. Rejects with what it complained of. */
  git(args: string[], input?: string | Uint8Array): Promise<string>;
};

/** Makes an empty bare repository `<name>.git` below `directory` that can be fetched from and pushed to. */
export async function createRepository(
  root: string,
  serverUrl: string,
  name: string,
  options: RepositoryOptions,
): Promise<GitRepository> {
  const directory = join(root, `${name}.git`);
  await mkdir(dirname(directory), { recursive: true });
  await git(root, ["init", "--quiet", "--bare", "--initial-branch=main", directory]);
  const anySha = options.anySha ?? true;
  const settings = `[http]\n\treceivepack = true\n[uploadpack]\n\tallowFilter = true\n\tallowAnySHA1InWant = ${anySha}\n`;
  await appendFile(join(directory, "config"), settings);
  return repositoryAt(directory, serverUrl, name);
}

/** A repository that `createRepository` made earlier, perhaps in another process; undefined where there is none. */
export async function openRepository(
  root: string,
  serverUrl: string,
  name: string,
): Promise<GitRepository | undefined> {
  const directory = join(root, `${name}.git`);
  const head = await readFile(join(directory, "HEAD"), "utf8").catch(() => undefined);
  return head === undefined ? undefined : repositoryAt(directory, serverUrl, name);
}

function repositoryAt(directory: string, serverUrl: string, name: string): GitRepository {
  return {
    url: `${serverUrl}/${name}.git`,
    directory,
    git: (args, input) => git(directory, args, input),
    commit: (files, commitOptions) => commit(directory, files, commitOptions ?? {}),
  };
}

/** One fast-import a commit: no work tree, no index, one process. */
async function commit(
  directory: string,
  files: Record<string, string | Uint8Array | null>,
  options: CommitOptions,
): Promise<string> {
  const branch = options.branch ?? "main";
  const ref = `refs/heads/${branch}`;
  const parts: (string | Uint8Array)[] = [
    `feature done\ncommit ${ref}\nmark :1\ncommitter ${person(new Date())}\n`,
    ...data(options.message ?? "Change"),
  ];
  if (await exists(directory, ref)) parts.push(`from ${ref}^0\n`);
  for (const [path, content] of Object.entries(files)) {
    const quoted = JSON.stringify(path);
    if (content === null) parts.push(`D ${quoted}\n`);
    else parts.push(`M 100644 inline ${quoted}\n`, ...data(content));
  }
  if (options.tag !== undefined) parts.push(...tag(options.tag, options.annotated ?? false));
  parts.push("get-mark :1\ndone\n");
  const printed = await git(
    directory,
    ["fast-import", "--quiet", "--force", "--date-format=raw"],
    Buffer.concat(parts.map((part) => Buffer.from(part))),
  );
  return printed.trim();
}

/** A branch exists as a file or in packed-refs: reading both is cheaper than another process. */
async function exists(directory: string, ref: string): Promise<boolean> {
  const loose = await readFile(join(directory, ref), "utf8").catch(() => "");
  if (loose !== "") return true;
  const packed = await readFile(join(directory, "packed-refs"), "utf8").catch(() => "");
  return packed.split("\n").some((line) => line.endsWith(` ${ref}`));
}

function tag(name: string, annotated: boolean): (string | Uint8Array)[] {
  return annotated
    ? [`tag ${name}\nfrom :1\ntagger ${person(new Date())}\n`, ...data(name)]
    : [`reset refs/tags/${name}\nfrom :1\n\n`];
}

function data(content: string | Uint8Array): (string | Uint8Array)[] {
  return [`data ${Buffer.byteLength(content)}\n`, content, "\n"];
}

function person(when: Date): string {
  return `Sluice <sluice@localhost> ${Math.floor(when.getTime() / 1000)} +0000`;
}

function git(directory: string, args: string[], input?: string | Uint8Array): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn("git", args, {
      cwd: directory,
      env: { PATH: process.env.PATH ?? "", GIT_CONFIG_NOSYSTEM: "1", GIT_CONFIG_GLOBAL: "/dev/null" },
    });
    let [printed, complaint] = ["", ""];
    child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
      printed += chunk;
    });
    child.stderr.setEncoding("utf8").on("data", (chunk: string) => {
      complaint += chunk;
    });
    child.once("error", reject);
    child.once("close", (code) =>
      code === 0 ? resolve(printed) : reject(new Error(`git ${args[0]}: ${complaint.trim()}`)),
    );
    // git may end before it has read everything; its exit code tells what went wrong.
    child.stdin.on("error", () => undefined);
    child.stdin.end(input ?? "");
  });
}
