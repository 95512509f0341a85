import { join } from "node:path";
import { CreateBucketCommand, PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { endAll } from "../../lib/host/end-all.ts";
import type { GitRepository } from "../../lib/host/git/repository.ts";
import { createCertificateAuthority, issueCertificate } from "../../lib/platform/local/certificate.ts";
import { type ChartRepositoryServer, startChartRepository } from "../bed/chart-repository.ts";
import { type GitServer, startGitServer } from "../bed/git/git-server.ts";
import { createSshKey, knownHostsLine, type SshKey } from "../bed/git/ssh-key.ts";
import { startSshServer } from "../bed/git/ssh-server.ts";
import { clientConfig } from "../bed/localstack/deploy.ts";
import { startLocalStack } from "../bed/localstack/localstack.ts";
import { startS3Front } from "../bed/localstack/s3-front.ts";
import { type Registry, startRegistry } from "../bed/registry/registry.ts";

/** What lets in: canaries, which nothing may print. */
export const basic = { username: "reader", password: "canary-4711" };
export const keys = { accesskey: "AKIDEXAMPLE", secretkey: "canary-4711/+" };

/** The servers that both sides fetch from. Repositories of the four Git servers are the same. */
export type World = {
  git: GitServer;
  /** The same repositories for who shows `basic`, over HTTPS by `authority`, and over SSH. */
  private: GitServer;
  secure: GitServer;
  ssh: { url(name: string): string; identity: SshKey; knownHosts: string };
  /** PEM of the authority of everything that speaks TLS, and of one that nobody knows. */
  authority: string;
  otherAuthority: string;
  registry: Registry;
  privateRegistry: Registry;
  /** A chart repository of the case's own; what is below `/nowhere` is not there. */
  chartRepository(): Promise<ChartRepositoryServer>;
  privateCharts: ChartRepositoryServer;
  /** `host:port` of S3 for who shows `keys`. */
  s3: string;
  /** A repository with one commit. */
  repository(name: string, files?: Record<string, string>): Promise<GitRepository>;
  /** Makes a bucket of this name if it is not there, and puts these objects. */
  fill(bucket: string, objects: Record<string, string>): Promise<void>;
  stop(): Promise<void>;
};

/** Starts them. */
export async function startWorld(directory: string, log: (line: string) => void): Promise<World> {
  const ending: (() => Promise<void>)[] = [];
  const ended = <T extends { stop(): Promise<void> }>(server: T): T => {
    ending.push(() => server.stop());
    return server;
  };
  const authority = createCertificateAuthority("compared");
  const { certificate, key } = issueCertificate(authority, { names: ["127.0.0.1", "localhost"] });
  const tls = { certificate, key };
  const repositories = join(directory, "git");
  const git = ended(await startGitServer({ directory: repositories }));
  const hidden = ended(await startGitServer({ directory: repositories, basic }));
  // What a server says is told where it is plain text.
  hidden.intercept = (_request, response) => {
    response.setHeader("content-type", "text/plain");
    return false;
  };
  const [hostKey, identity] = [await createSshKey({ type: "ed25519" }), await createSshKey({ type: "ed25519" })];
  const ssh = ended(
    await startSshServer({
      directory: repositories,
      hostKeys: [hostKey.privateKey],
      authorizedKeys: [identity.publicKey],
    }),
  );
  const aws = ended(await startLocalStack({ directory: join(directory, "aws"), log }));
  const s3 = new S3Client(clientConfig(aws));
  const front = ended(await startS3Front(aws, { keys: { [keys.accesskey]: keys.secretkey } }));
  return {
    git,
    private: hidden,
    secure: ended(await startGitServer({ directory: repositories, tls })),
    ssh: { url: ssh.url, identity, knownHosts: knownHostsLine(hostKey, ssh.port) },
    authority: authority.certificate,
    otherAuthority: createCertificateAuthority("unknown").certificate,
    registry: ended(await startRegistry({ directory: join(directory, "registry"), log })),
    privateRegistry: ended(await startRegistry({ directory: join(directory, "private"), auth: "basic", log })),
    chartRepository: async () => {
      const charts = ended(await startChartRepository());
      charts.intercept = (request, response) => {
        if (request.url?.startsWith("/nowhere/") !== true) return false;
        response.writeHead(404).end();
        return true;
      };
      return charts;
    },
    privateCharts: ended(await startChartRepository({ basic })),
    s3: front.endpoint,
    repository: async (name, files = { "app/a.txt": "one\n", "README.md": "read\n" }) => {
      const repository = await git.repository(name);
      await repository.commit(files, { message: "First commit" });
      return repository;
    },
    fill: async (bucket, objects) => {
      await s3.send(new CreateBucketCommand({ Bucket: bucket }));
      for (const [path, body] of Object.entries(objects))
        await s3.send(new PutObjectCommand({ Bucket: bucket, Key: path, Body: Buffer.from(body) }));
    },
    stop: async () => {
      s3.destroy();
      await endAll(ending);
    },
  };
}
