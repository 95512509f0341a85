import { once } from "node:events";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import { join } from "node:path";
import { gitHttpBackend } from "../git/http-backend.ts";
import { createRepository, type GitRepository, openRepository } from "../git/repository.ts";

/** A branch of the sample repository that a push moved. */
export type Push = { branch: string; commit: string; subject: string };

/** The sample repository, served over HTTP on the loopback interface for whoever clones it and pushes. */
export type SampleServer = {
  /** Where to clone from. */
  url: string;
  repository: GitRepository;
  /** Called after each push, for each branch that it moved: what a host of Git repositories calls webhooks for. */
  onPush: (push: Push) => void;
  stop(): Promise<void>;
};

/**
 * Serves the repository `sample` below `directory`, which stays over restarts with all that was pushed; `content` is its first
 * commit. The port is the one of the last time while it is free, so that clones go on working.
 */
export async function startSampleServer(directory: string, content: Record<string, string>): Promise<SampleServer> {
  await mkdir(directory, { recursive: true });
  const portFile = join(directory, "port");
  const server = createServer((request, response) => {
    gitHttpBackend(directory, request, response);
    if (request.method !== "POST" || !request.url?.endsWith("/git-receive-pack")) return;
    response.once("close", () => {
      tellPushes().catch(() => undefined);
    });
  });
  const port = await listen(server, Number(await readFile(portFile, "utf8").catch(() => "0")));
  await writeFile(portFile, String(port));
  const url = `http://127.0.0.1:${port}`;
  const existing = await openRepository(directory, url, "sample");
  const repository = existing ?? (await createRepository(directory, url, "sample", {}));
  if (existing === undefined) await repository.commit(content, { message: "Say hello" });

  let heads = await headsOf(repository);
  const tellPushes = async () => {
    const before = heads;
    heads = await headsOf(repository);
    for (const [branch, { commit, subject }] of heads) {
      if (before.get(branch)?.commit !== commit) sample.onPush({ branch, commit, subject });
    }
  };
  const sample: SampleServer = {
    url: repository.url,
    repository,
    onPush: () => undefined,
    stop: async () => {
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
  return sample;
}

async function listen(server: Server, preferred: number): Promise<number> {
  for (const port of [preferred, 0]) {
    try {
      server.listen(Number.isInteger(port) && port > 0 && port < 65_536 ? port : 0, "127.0.0.1");
      await once(server, "listening");
      break;
    } catch (error) {
      if (!(error instanceof Error && "code" in error && error.code === "EADDRINUSE")) throw error;
    }
  }
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the sample repository has no port");
  return address.port;
}

async function headsOf(repository: GitRepository): Promise<Map<string, { commit: string; subject: string }>> {
  const printed = await repository.git([
    "for-each-ref",
    "--format=%(refname:short)%00%(objectname)%00%(contents:subject)",
    "refs/heads",
  ]);
  const heads = new Map<string, { commit: string; subject: string }>();
  for (const line of printed.split("\n")) {
    const [branch, commit, subject = ""] = line.split("\0");
    if (branch && commit) heads.set(branch, { commit, subject });
  }
  return heads;
}
