import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createCertificateAuthority, issueCertificate } from "../../lib/platform/local/certificate.ts";
import { startChartRepository } from "./chart-repository.ts";
import { startGitServer } from "./git/git-server.ts";
import { knownHostsLine } from "./git/ssh-key.ts";
import { startSshServer } from "./git/ssh-server.ts";
import { objectStore, registryStore, shownRegistry, shownStore } from "./page-stores.ts";

/** Servers that a section of a page speaks of: what stands for their names in it, and the files that its commands read. */
export type ShownServers = {
  names: [shown: string, own: string][];
  files: Record<string, string>;
  stop(): Promise<void>;
};

const https = "https://private.example.com/";
const signed = "https://signed.example.com/";
const ssh = "ssh://git@ssh.example.com/";
const charts = "https://charts.example.com";

/** The files of the repositories `fleet.git` on the servers that ask for credentials. */
const fleet = { "web/config.yaml": '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"web"}}\n' };

/**
 * Starts the servers that a text names: Git over HTTPS for `bot` with the password `s3cret`, Git with a signed commit, Git over SSH, a
 * repository of charts, a registry, an object store.
 */
export async function startShownServers(text: string): Promise<ShownServers> {
  const started: ShownServers[] = [];
  if (text.includes(https)) started.push(await privateGit());
  if (text.includes(signed)) started.push(await signedGit());
  if (text.includes(ssh)) started.push(await gitOverSsh());
  if (text.includes(charts)) started.push(await chartRepository());
  if (text.includes(shownRegistry)) started.push(await registryStore(text.includes("cosign.pub")));
  if (text.includes(shownStore)) started.push(await objectStore());
  return {
    names: started.flatMap(({ names }) => names),
    files: Object.assign({}, ...started.map(({ files }) => files)),
    stop: async () => {
      await Promise.all(started.map(({ stop }) => stop()));
    },
  };
}

async function privateGit(): Promise<ShownServers> {
  const directory = await mkdtemp(join(tmpdir(), "sluice-shown-"));
  const authority = createCertificateAuthority("git.example.com");
  const tls = issueCertificate(authority, { names: ["127.0.0.1"] });
  const basic = { username: "bot", password: "s3cret" };
  const server = await startGitServer({ directory, tls, basic });
  await (await server.repository("fleet")).commit(fleet);
  return {
    names: [[https, `${server.url}/`]],
    files: { "ca.crt": authority.certificate },
    stop: async () => {
      await server.stop();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** The head of the branch is signed by the key whose public half is `jane.asc`. */
async function signedGit(): Promise<ShownServers> {
  const { createMessage, generateKey, sign } = await import("openpgp");
  const directory = await mkdtemp(join(tmpdir(), "sluice-shown-"));
  const server = await startGitServer({ directory });
  const repository = await server.repository("fleet");
  await repository.commit(fleet);
  const { privateKey, publicKey } = await generateKey({ userIDs: [{ name: "Jane" }], format: "object" });
  const commit = await repository.git(["cat-file", "commit", "main"]);
  const message = await createMessage({ binary: Uint8Array.from(Buffer.from(commit)) });
  const signature = (await sign({ message, signingKeys: privateKey, detached: true })).replaceAll("\r", "").trimEnd();
  const text = commit.replace("\n\n", `\ngpgsig ${signature.replaceAll("\n", "\n ")}\n\n`);
  const head = (await repository.git(["hash-object", "-t", "commit", "-w", "--stdin"], text)).trim();
  await repository.git(["update-ref", "refs/heads/main", head]);
  return {
    names: [[signed, `${server.url}/`]],
    files: { "jane.asc": publicKey.armor() },
    stop: async () => {
      await server.stop();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

async function gitOverSsh(): Promise<ShownServers> {
  const { utils } = await import("ssh2");
  const directory = await mkdtemp(join(tmpdir(), "sluice-shown-"));
  const repositories = await startGitServer({ directory });
  await (await repositories.repository("fleet")).commit(fleet);
  const [host, client] = [utils.generateKeyPairSync("ed25519"), utils.generateKeyPairSync("ed25519")];
  const server = await startSshServer({ directory, hostKeys: [host.private], authorizedKeys: [client.public] });
  return {
    names: [[ssh, `ssh://git@127.0.0.1:${server.port}${directory}/`]],
    files: { identity: client.private, known_hosts: knownHostsLine({ publicKey: host.public }, server.port) },
    stop: async () => {
      await server.stop();
      await repositories.stop();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

async function chartRepository(): Promise<ShownServers> {
  const server = await startChartRepository();
  for (const version of ["1.0.0", "1.1.0"]) await server.publish("web", version);
  return {
    names: [[charts, server.url]],
    files: { "charts.crt": server.certificateAuthority },
    stop: () => server.stop(),
  };
}
