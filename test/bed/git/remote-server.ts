import { mkdtemp, rm, writeFile } from "node:fs/promises";
import type { IncomingMessage, ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { getCACertificates, setDefaultCACertificates } from "node:tls";
import { parseSettings, type Settings } from "../../../lib/engine/settings.ts";
import type { CommitOptions, GitRepository } from "../../../lib/host/git/repository.ts";
import { type BuildResult, build, inputDigest } from "../../../lib/kustomize/build.ts";
import type { UsedRemote } from "../../../lib/kustomize/remote-content.ts";
import type { BuildSpec } from "../../../lib/kustomize/spec.ts";
import { artifactOf } from "../../../lib/kustomize/testdata/artifact-of.ts";
import { kustomizeItself } from "../../../lib/kustomize/testdata/kustomize-itself.ts";
import { createCertificateAuthority, issueCertificate } from "../../../lib/platform/local/certificate.ts";
import type { Logger } from "../../../lib/platform/ports.ts";
import { withRemoteBases } from "../../../lib/reconcilers/kustomization/remote-bases.ts";
import { uniqueName } from "../bed.ts";
import { type GitServer, startGitServer } from "./git-server.ts";

export type Files = Record<string, string | object>;

/** Answers a request in the place of the server. */
export type Answer = (request: IncomingMessage, response: ServerResponse) => void;

const log: Logger = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {}, child: () => log };

/** The settings of a placeholder with these args. */
export function settingsOf(...args: string[]): Settings {
  return parseSettings(args, "flux-system", log);
}

/** A build with everything that its artifact names beyond itself. */
export type Built = BuildResult & { remotes: UsedRemote[]; input: string };

/** Resolves and builds as a pass does. */
export async function built(files: Files, spec: BuildSpec = {}): Promise<Built> {
  const context = { settings: settingsOf(), signal: AbortSignal.timeout(50_000) };
  const { artifact, remotes } = await withRemoteBases(artifactOf(files), spec, context);
  return { ...(await build(artifact, spec)), remotes, input: inputDigest(artifact, spec) };
}

/** The names of what was built, in order. */
export const namesOf = ({ objects }: Pick<BuildResult, "objects">) => objects.map(({ metadata }) => metadata.name);

/** A server of repositories and files over HTTPS, whose authority this process, git and kustomize trust. */
export type RemoteServer = {
  git: GitServer;
  directory: string;
  /** What the server answers beside Git, by path. */
  served: Map<string, string | Answer>;
  /** Makes a repository with these files; objects are written as JSON. */
  repository(files: Files, options?: CommitOptions): Promise<GitRepository>;
  commit(repository: GitRepository, files: Files, options?: CommitOptions): Promise<string>;
  /** Puts something behind an address, which it returns. */
  serve(name: string, content: string | Answer): string;
  /** The same for an object, as JSON. */
  serveObject(name: string, object: object): string;
  /** Forgets what was served and what was asked for: each test begins anew. */
  forget(): void;
  /** What kustomize gives by itself with the real git, having checked that Sluice gives the same. Throws where either cannot. */
  builtAlike(files: Files, path?: string): Promise<Built>;
  /** Why neither of them builds: Sluice's text and kustomize's; empty for one that does. */
  refusals(files: Files, path?: string): Promise<{ own: string; kustomize: string }>;
  stop(): Promise<void>;
};

export async function startRemoteServer(): Promise<RemoteServer> {
  const directory = await mkdtemp(join(tmpdir(), "sluice-remote-"));
  const trusted = getCACertificates("default");
  const authority = createCertificateAuthority("remote bases");
  const file = join(directory, "ca.crt");
  await writeFile(file, authority.certificate);
  const trust = { SSL_CERT_FILE: file, GIT_SSL_CAINFO: file };
  setDefaultCACertificates([...trusted, authority.certificate]);
  const tls = issueCertificate(authority, { names: ["127.0.0.1"] });
  const git = await startGitServer({ directory: join(directory, "repositories"), tls });
  const served = new Map<string, string | Answer>();
  git.intercept = (request, response) => {
    const found = served.get(request.url ?? "");
    if (found === undefined) return false;
    if (typeof found === "string") response.end(found);
    else found(request, response);
    return true;
  };
  const commit: RemoteServer["commit"] = (repository, files, options = {}) => {
    const texts = Object.entries(files).map(([path, content]): [string, string] => [path, textOf(content)]);
    return repository.commit(Object.fromEntries(texts), options);
  };
  const serve: RemoteServer["serve"] = (name, content) => {
    const path = `/files/${uniqueName("f")}/${name}`;
    served.set(path, content);
    return `${git.url}${path}`;
  };
  return {
    git,
    directory,
    served,
    commit,
    repository: async (files, options) => {
      const repository = await git.repository(uniqueName("base"));
      await commit(repository, files, options);
      return repository;
    },
    serve,
    serveObject: (name, object) => serve(name, JSON.stringify(object)),
    forget: () => {
      served.clear();
      git.requests.length = 0;
    },
    builtAlike: async (files, path = ".") => {
      const printed = await kustomizeItself(files, path, trust);
      if ("error" in printed) throw new Error(printed.error);
      const own = await built(files, { path });
      if (JSON.stringify(own.objects) !== JSON.stringify(printed.objects))
        throw new Error(
          `not alike:\n${JSON.stringify(own.objects, null, 1)}\n${JSON.stringify(printed.objects, null, 1)}`,
        );
      return own;
    },
    refusals: async (files, path = ".") => {
      const printed = await kustomizeItself(files, path, trust);
      const own = await built(files, { path }).then(
        () => "",
        (error: unknown) => String(error),
      );
      return { own, kustomize: "error" in printed ? printed.error : "" };
    },
    stop: async () => {
      setDefaultCACertificates(trusted);
      await git.stop();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

function textOf(content: string | object): string {
  return typeof content === "string" ? content : JSON.stringify(content);
}
