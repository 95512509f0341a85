import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { createRepository } from "../../lib/host/git/repository.ts";
import { findSshd, startOpenSshServer } from "../../test/bed/git/openssh-server.ts";
import { createSshKey, knownHostsLine, type SshKeyOptions } from "../../test/bed/git/ssh-key.ts";
import { fetchArchive, resolveRevision } from "./fetch.ts";

const sshd = findSshd();
const signal = AbortSignal.timeout(120_000);

describe.runIf(sshd !== undefined)("OpenSSH's server", () => {
  it.each<[host: SshKeyOptions, user: SshKeyOptions, acceptsProtocol: boolean]>([
    [{ type: "ed25519" }, { type: "ed25519" }, true],
    [{ type: "rsa", bits: 2048 }, { type: "rsa", bits: 2048, form: "PEM" }, false],
    [{ type: "ecdsa", bits: 384 }, { type: "ecdsa", bits: 521, password: "pass word" }, true],
  ])("GE-001, GE-002, GIT-056, GIT-059, GIT-060: host %o, user %o, version 2 %s", async (hostKey, userKey, isNew) => {
    const [host, user] = await Promise.all([createSshKey(hostKey), createSshKey(userKey)]);
    const directory = await mkdtemp(join(tmpdir(), "sluice-openssh-"));
    const server = await startOpenSshServer(sshd ?? "", { host, user, acceptsProtocol: isNew });
    try {
      const app = await createRepository(directory, "ssh://", "it's", {});
      const first = await app.commit({ a: "1" }, { message: "First", tag: "v1.0.0", annotated: true });
      const second = await app.commit({ a: "2" }, { message: "Second" });
      const { password } = userKey;
      const knownHosts = knownHostsLine(host, server.port);
      const access = { identity: user.privateKey, knownHosts, ...(password === undefined ? {} : { password }) };
      const url = `ssh://${server.user}@127.0.0.1:${server.port}${directory}/it's.git`;
      const of = async (reference: object) => {
        const source = { url, ssh: access, reference };
        const resolved = await resolveRevision(source, signal);
        return [resolved.revision, (await fetchArchive(source, resolved, signal)).subject];
      };
      expect(await of({ branch: "main" })).toEqual([`main@sha1:${second}`, "Second"]);
      expect(await of({ semver: "1.x" })).toEqual([`v1.0.0@sha1:${first}`, "First"]);
      expect(await of({ commit: first, branch: "main" })).toEqual([`main@sha1:${first}`, "First"]);
      const missing = { url: url.replace("it's", "none"), ssh: access, reference: { branch: "main" } };
      await expect(resolveRevision(missing, signal)).rejects.toMatchObject({ code: "not-found" });
    } finally {
      await server.stop();
      await rm(directory, { recursive: true, force: true });
    }
  });
});
