import { execFile } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { GitRepository } from "../../lib/host/git/repository.ts";
import { kustomizeBinary } from "../../lib/kustomize/binary.ts";
import { isAsShown, type Section, type Step } from "./page.ts";
import { startShownServers } from "./page-servers.ts";
import { openWorkspace, type Workspace } from "./workspace.ts";

/** The namespace and the Git server that pages speak of; each run has its own. */
const shownNamespace = "team-a";
const shownServer = "https://git.example.com/";

/** How long a page's command may need to print what the page says, in milliseconds. */
const patienceMilliseconds = 60_000;

/** Where a section's steps are done: a namespace, repositories, a directory for commands. */
type Place = {
  workspace: Workspace;
  directory: string;
  program: string;
  repositories: Map<string, GitRepository>;
  /** What stands for the names of the other servers that the section speaks of. */
  servers: [shown: string, own: string][];
  /** What is committed before the next step that could see it, by repository. */
  files: Map<string, Record<string, string | null>>;
};

/**
 * Does what a section says, step by step, with the real kubectl, in a namespace of its own with the GitRepository `fleet`. Rejects with
 * the line of the page, and what was printed in the place of what it says.
 */
export async function runSection({ steps }: Section): Promise<void> {
  const workspace = await openWorkspace("docs");
  const directory = await mkdtemp(join(tmpdir(), "sluice-docs-"));
  const place: Place = {
    workspace,
    directory,
    program: await kustomizeBinary(),
    repositories: new Map(),
    servers: [],
    files: new Map(),
  };
  const { names: servers, files, stop } = await startShownServers(JSON.stringify(steps));
  place.servers = servers;
  try {
    for (const [name, content] of Object.entries(files)) await writeFile(join(directory, name), content);
    await writeFile(join(directory, "staging.kubeconfig"), workspace.sluice.cluster.kubeconfig);
    const names = steps.flatMap((step) => (step.type === "file" ? [step.repository] : []));
    for (const name of new Set(["fleet", ...names]))
      place.repositories.set(name, await workspace.repository({ "README.md": `${name}\n` }));
    await workspace.gitRepository("fleet", place.repositories.get("fleet")?.url ?? "");
    for (const step of steps) await perform(place, step);
  } finally {
    await workspace.close();
    await stop();
    await rm(directory, { recursive: true, force: true });
  }
}

async function perform(place: Place, step: Step): Promise<void> {
  if (step.type === "file") return keep(place, step.repository, step.path, inPlace(place, step.content));
  if (step.type === "command" && step.command.startsWith("git rm ")) {
    for (const path of step.command.slice("git rm ".length).split(" ")) keep(place, "fleet", path, null);
    return;
  }
  await push(place);
  if (step.type === "objects") {
    const file = join(place.directory, "objects.yaml");
    await writeFile(file, inPlace(place, step.content));
    const { code, printed } = await run(place, [
      "apply",
      "--server-side",
      "--force-conflicts",
      "--namespace",
      place.workspace.namespace,
      "-f",
      file,
    ]);
    if (code !== 0) throw new Error(`line ${step.line}: ${printed}`);
    return;
  }
  await untilShown(place, step);
}

/** Runs a command until it prints what the page says; one that changes something runs once. */
async function untilShown(place: Place, { command, output, line }: Extract<Step, { type: "command" }>): Promise<void> {
  const [program, ...args] = wordsOf(inPlace(place, command));
  if (program !== "kubectl") throw new Error(`line ${line}: '${command}' is not run by the tests`);
  const onlyReads = args.some((word) => ["get", "wait"].includes(word));
  const giveUp = Date.now() + patienceMilliseconds;
  for (let pause = 100; ; pause = Math.min(pause * 1.5, 1500)) {
    const { printed } = await run(place, args);
    if (isAsShown(printed, inPlace(place, output))) return;
    if (!onlyReads || Date.now() > giveUp) throw new Error(`line ${line}: '${command}' prints\n${printed}`);
    await sleep(pause);
  }
}

function keep({ files }: Place, repository: string, path: string, content: string | null): void {
  files.set(repository, { ...files.get(repository), [path]: content });
}

/** Commits what is kept, and waits until the source has it. */
async function push({ workspace, repositories, files }: Place): Promise<void> {
  for (const [name, content] of files) {
    const commit = await repositories.get(name)?.commit(content);
    if (name !== "fleet") continue;
    await workspace.reconcile("GitRepository", "fleet");
    const revision = `main@sha1:${commit}`;
    await workspace.until("GitRepository", "fleet", ({ status }) => status?.artifact?.revision === revision, 60);
  }
  files.clear();
}

/** A page's text, with the names that are this run's. */
function inPlace({ workspace, repositories, servers }: Place, text: string): string {
  let told = text.replaceAll(shownNamespace, workspace.namespace);
  for (const [shown, own] of servers) told = told.replaceAll(shown, own);
  for (const [name, { url }] of repositories) told = told.replaceAll(`${shownServer}${name}.git`, url);
  return told;
}

/** The words of a command as a shell takes them: blanks part them but between quotes. */
function wordsOf(command: string): string[] {
  const words = command.matchAll(/(?:'([^']*)'|"([^"]*)"|[^\s'"])+/g);
  return [...words].map(([word]) => word.replace(/'([^']*)'|"([^"]*)"/g, "$1$2"));
}

async function run(
  { workspace, directory, program }: Place,
  args: string[],
): Promise<{ code: number; printed: string }> {
  const home = join(directory, "home");
  await mkdir(home, { recursive: true });
  const env = { HOME: home, KUBECACHEDIR: join(home, "cache"), KUBECONFIG: workspace.sluice.cluster.kubeconfigPath };
  return new Promise((resolve) => {
    execFile(program, args, { cwd: directory, env: { ...env, PATH: dirname(program) } }, (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === "number" ? error.code : 1;
      resolve({ code, printed: stdout + stderr });
    });
  });
}
