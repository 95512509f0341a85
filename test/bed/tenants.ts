import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import type { KubernetesObject } from "../../lib/api/object.ts";
import type { GitRepository } from "../../lib/host/git/repository.ts";
import { kustomizeBinary } from "../../lib/kustomize/binary.ts";
import { uniqueName } from "./bed.ts";
import { startSluice } from "./sluice.ts";
import { apiVersions, conditionOf, openWorkspace, type Reconciled, type Workspace } from "./workspace.ts";

/** A team of the worked example of docs/tenancy.md: its namespace, and the repository that its Kustomization `deploy` applies. */
export type Team = Workspace & {
  deploy: GitRepository;
  /** Commits to that repository, until it is applied. */
  push(files: Record<string, string | null>): Promise<void>;
  /** A source with these files, as a reference to it. */
  source(files: Record<string, string>): Promise<{ kind: "GitRepository"; name: string }>;
  /** A Kustomization that may be up to no good, as it ended: of `deploy` and as the team's account, unless the spec says otherwise. */
  attempt(spec: object): Promise<Reconciled>;
};

/** A Sluice of its own, locked down as docs/tenancy.md says, and the two teams of that page. */
export type Tenants = {
  sluice: Awaited<ReturnType<typeof startSluice>>;
  directory: string;
  a: Team;
  b: Team;
  close(): Promise<void>;
};

/** Runs the worked example literally: each YAML block is the file that the text before it names, each shell block is run. */
export async function openTenants(): Promise<Tenants> {
  const directory = await mkdtemp(join(tmpdir(), "sluice-tenants-"));
  const sluice = await startSluice({ directory: join(directory, "sluice") });
  const team = async (name: string, files: Record<string, string>): Promise<Team> => {
    const workspace = await openWorkspace(name, { sluice, namespace: name });
    return teamOf(workspace, await workspace.repository(files));
  };
  const [a, b] = await Promise.all([team("team-a", { "README.md": "" }), team("team-b", { "README.md": "" })]);
  const kubeconfig = join(directory, "kubeconfig");
  await mkdir(join(directory, "bin"));
  await symlink(await kustomizeBinary(), join(directory, "bin", "kubectl"));
  await writeFile(kubeconfig, sluice.cluster.kubeconfig);
  const page = await readFile(join(import.meta.dirname, "..", "..", "docs", "tenancy.md"), "utf8");
  const example = /\n## A worked example\n([\s\S]*?)\n## /.exec(page)?.[1] ?? "";
  const blocks = [...example.matchAll(/`([a-z-]+\.yaml)`[^`]*?\n\n```yaml\n([\s\S]*?)```|```sh\n([\s\S]*?)```/g)];
  for (const [, file, yaml = "", script = ""] of blocks) {
    const repository = file === "team-a.yaml" ? a : b;
    if (file === undefined) await run(script, directory, kubeconfig);
    else
      await writeFile(
        join(directory, file),
        yaml.replaceAll(/https:\/\/git\.example\.com\/\S+/g, repository.deploy.url),
      );
  }
  return {
    sluice,
    directory,
    a,
    b,
    close: async () => {
      await Promise.all([a.close(), b.close()]);
      await sluice.stop();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

function teamOf(workspace: Workspace, deploy: GitRepository): Team {
  const { namespace } = workspace;
  return {
    ...workspace,
    deploy,
    push: async (files) => {
      await deploy.commit(files);
      const revision = `main@sha1:${(await deploy.git(["rev-parse", "main"])).trim()}`;
      await workspace.reconcile("GitRepository", "deploy");
      await workspace.until("Kustomization", "deploy", ({ status }) => status?.lastAppliedRevision === revision, 60);
    },
    source: async (files) => {
      const name = uniqueName("files");
      await workspace.gitRepository(name, (await workspace.repository(files)).url);
      await workspace.untilReady("GitRepository", name);
      return { kind: "GitRepository", name };
    },
    attempt: async (spec) => {
      const name = uniqueName("attempt");
      await workspace.create({
        apiVersion: apiVersions.Kustomization,
        kind: "Kustomization",
        metadata: { name },
        spec: {
          ...{ interval: "1h", retryInterval: "1h", prune: true, path: "./" },
          ...{ serviceAccountName: namespace, sourceRef: { kind: "GitRepository", name: "deploy" } },
          ...spec,
        },
      } as KubernetesObject);
      const ended = ({ status }: Reconciled) => /True|False/.test(conditionOf(status, "Ready")?.status ?? "");
      return workspace.until("Kustomization", name, ended, 60);
    },
  };
}

async function run(script: string, directory: string, kubeconfig: string): Promise<void> {
  const PATH = `${join(directory, "bin")}:/usr/bin:/bin`;
  const options = { cwd: directory, env: { PATH, KUBECONFIG: kubeconfig, HOME: directory } };
  await promisify(execFile)("/bin/sh", ["-e", "-c", script], options);
}
