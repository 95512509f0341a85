import { createMessage, generateKey, type PrivateKey, sign } from "openpgp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { GitRepository } from "../lib/host/git/repository.ts";
import { isInstalled, openSigningRepository } from "./bed/git/signers.ts";
import { messageOf, openSources, type Sources } from "./bed/sources.ts";
import { conditionOf, type Reconciled } from "./bed/workspace.ts";

let sources: Sources;
let repository: GitRepository;
let privateKey: PrivateKey;
let ring: string;
let id: string;

beforeAll(async () => {
  sources = await openSources("git-verification");
  const keys = await generateKey({ userIDs: [{ name: "Jane" }], format: "object" });
  privateKey = keys.privateKey;
  ring = keys.publicKey.armor();
  id = keys.publicKey.getKeyID().toHex().toUpperCase();
  repository = await sources.repository({ "a.txt": "one\n" });
  await keySecret();
});
afterAll(() => sources?.close());

async function keySecret(): Promise<void> {
  // What has neither ending is a ring as well.
  const stringData = { jane: ring, "other.asc": "no ring", "ssh.sshpub": "# none yet\n" };
  await sources.create({ apiVersion: "v1", kind: "Secret", metadata: { name: "keys" }, stringData });
}

async function signatureOf(text: string): Promise<string> {
  const message = await createMessage({ binary: Uint8Array.from(Buffer.from(text)) });
  return (await sign({ message, signingKeys: privateKey, detached: true })).replaceAll("\r", "").trimEnd();
}

/** Signs the head of `main` as git does; gives its new id. */
async function signHead(signer = signatureOf): Promise<string> {
  const text = await repository.git(["cat-file", "commit", "main"]);
  const header = `gpgsig ${(await signer(text)).trimEnd().replaceAll("\n", "\n ")}`;
  const signed = text.replace("\n\n", `\n${header}\n\n`);
  const head = (await repository.git(["hash-object", "-t", "commit", "-w", "--stdin"], signed)).trim();
  await repository.git(["update-ref", "refs/heads/main", head]);
  return head;
}

async function signTag(name: string, target: string, type = "commit"): Promise<string> {
  const text = `object ${target}\ntype ${type}\ntag ${name}\ntagger Jane <jane@example.com> 1700000000 +0000\n\nTag\n`;
  const signed = `${text}${await signatureOf(text)}\n`;
  const tag = (await repository.git(["hash-object", "-t", "tag", "-w", "--stdin"], signed)).trim();
  await repository.git(["update-ref", `refs/tags/${name}`, tag]);
  return tag;
}

const verified = (object: Reconciled) => conditionOf(object.status, "SourceVerified");
const ofCommit = (commit: string) => `\n\t- commit '${commit}' with key '${id}'`;
const verifyBy = (mode: "HEAD" | "Tag" | "TagAndHEAD") => ({ verify: { mode, secretRef: { name: "keys" } } });

describe("a GitRepository whose commits must be signed", () => {
  let head: string;

  it("GIT-072, GIT-073: is Ready when its commit is, and says by whom", async () => {
    head = await signHead();
    await sources.gitRepository("app", repository.url, verifyBy("HEAD"));
    const object = await sources.untilReady("GitRepository", "app");
    const message = `verified signature of${ofCommit(head)}`;
    expect(verified(object)).toMatchObject({ status: "True", reason: "Succeeded", message, observedGeneration: 1 });
    expect(object.status).toMatchObject({ sourceVerificationMode: "HEAD" });
    await expect.poll(() => sources.told("app")).toContainEqual(["Normal", "Succeeded", message]);
  });

  it("GIT-076, GIT-085, SRC-013: keeps what it has when a commit on top is not signed", async () => {
    const before = await sources.untilReady("GitRepository", "app");
    const commit = await repository.commit({ "a.txt": "two\n" });
    await sources.reconcile("GitRepository", "app");
    const object = await sources.untilFailed("app", "InvalidCommitSignature");
    const message = `signature verification of commit '${commit}' failed: unsupported signature type: empty`;
    expect(messageOf(object)).toBe(message);
    expect(verified(object)).toMatchObject({ status: "False", reason: "InvalidCommitSignature", message });
    expect(object.status?.artifact).toEqual(before.status?.artifact);
    expect(await sources.files("app")).toEqual([`${head}.tar.gz`]);

    head = await signHead();
    await sources.reconcile("GitRepository", "app");
    const again = await sources.until(
      "GitRepository",
      "app",
      ({ status }) => status?.artifact?.revision === `main@sha1:${head}`,
    );
    expect(verified(again)).toMatchObject({ status: "True", message: `verified signature of${ofCommit(head)}` });
  });

  it("GIT-075, GIT-083: asks for the keys when there is a new commit, not before", async () => {
    const path = `/api/v1/namespaces/${sources.namespace}/secrets/keys`;
    await sources.client.request({ method: "DELETE", path });
    expect(verified(await sources.reconciled("app"))?.status).toBe("True");
    await repository.commit({ "a.txt": "three\n" });
    head = await signHead();
    await sources.reconcile("GitRepository", "app");
    const object = await sources.untilFailed("app", "VerificationError");
    expect(messageOf(object)).toBe('public keys secret error: secrets "keys" not found');
    await keySecret();
    await sources.reconcile("GitRepository", "app");
    expect(verified(await sources.untilReady("GitRepository", "app"))?.status).toBe("True");
  });

  it("SB-012: is verified anew as soon as the keys change, where their Secret is one that is watched", async () => {
    const patch = (merge: unknown) => sources.patch("Secret", "keys", merge);
    await patch({ metadata: { labels: { "reconcile.fluxcd.io/watch": "Enabled" } } });
    await sources.reconciled("app");
    const before = await sources.untilReady("GitRepository", "app");
    const other = await generateKey({ userIDs: [{ name: "John" }], format: "object" });
    await patch({ data: { jane: Buffer.from(other.publicKey.armor()).toString("base64") } });
    const revoked = await sources.untilFailed("app", "InvalidCommitSignature");
    expect(verified(revoked)?.status).toBe("False");
    expect(revoked.status?.artifact).toEqual(before.status?.artifact);
    await patch({ data: { jane: Buffer.from(ring).toString("base64") } });
    const trusted = await sources.untilReady("GitRepository", "app");
    expect(verified(trusted)).toMatchObject({ status: "True", message: `verified signature of${ofCommit(head)}` });
    expect(trusted.status?.artifact?.digest).toBe(before.status?.artifact?.digest);

    // One that is gone verifies nothing either.
    await sources.client.request({ method: "DELETE", path: `/api/v1/namespaces/${sources.namespace}/secrets/keys` });
    await sources.reconcile("GitRepository", "app");
    await sources.untilFailed("app", "VerificationError");
    await keySecret();
    await sources.reconcile("GitRepository", "app");
    expect(verified(await sources.untilReady("GitRepository", "app"))?.status).toBe("True");
  });

  it("GIT-077: waits for a change where a tag must be signed and a branch is named", async () => {
    await sources.patch("GitRepository", "app", { spec: verifyBy("Tag") });
    const object = await sources.untilFailed("app", "InvalidVerificationMode");
    expect(messageOf(object)).toBe("cannot verify tag object's signature if a tag reference is not specified");
    expect(conditionOf(object.status, "Stalled")?.status).toBe("True");
  });

  it("GIT-078, GIT-079, GE-004: of tags, by each kind of reference, also a tag of a tag", async () => {
    await repository.git(["update-ref", "refs/tags/light", head]);
    await sources.patch("GitRepository", "app", { spec: { ref: { tag: "light" } } });
    const light = await sources.untilFailed("app", "InvalidGitObject");
    expect(messageOf(light)).toBe("cannot verify signature of tag 'light' since it is not signed");
    expect(conditionOf(light.status, "Stalled")).toBeUndefined();

    const inner = await signTag("inner", head);
    const outer = await signTag("v1.0.0", inner, "tag");
    const told = `verified signature of\n\t- tag 'v1.0.0@${outer}' with key '${id}'`;
    for (const ref of [{ tag: "v1.0.0" }, { semver: "1.x" }, { name: "refs/tags/v1.0.0" }]) {
      const spec = { ref: { tag: null, semver: null, name: null, ...ref }, ...verifyBy("TagAndHEAD") };
      const object = await sources.edited("app", spec);
      expect(verified(object)).toMatchObject({ status: "True", message: `${told}${ofCommit(head)}` });
      expect(object.status).toMatchObject({ sourceVerificationMode: "TagAndHEAD" });
    }
  });

  it.runIf(isInstalled("ssh-keygen"))(
    "GIT-072, GIT-073, GIT-082: by an SSH key, beside rings in the same Secret",
    async () => {
      const signing = await openSigningRepository();
      try {
        const { path, line } = await signing.sshKey("jane", "ed25519");
        await sources.patch("Secret", "keys", { stringData: { "ssh.sshpub": line } });
        await repository.commit({ "a.txt": "by SSH\n" });
        const sign = ["-Y", "sign", "-n", "git", "-f", path];
        const commit = await signHead(async (text) => (await signing.run("ssh-keygen", sign, text)).toString("latin1"));
        const shown = (await signing.run("ssh-keygen", ["-l", "-f", `${path}.pub`])).toString("utf8").split(" ")[1];
        const ref = { tag: null, semver: null, name: null, branch: "main" };
        const object = await sources.edited("app", { ref, ...verifyBy("HEAD") });
        const message = `verified signature of\n\t- commit '${commit}' with key '${shown}'`;
        expect(verified(object)).toMatchObject({ status: "True", message });
      } finally {
        await signing.close();
      }
    },
  );

  it("GIT-084: forgets what was verified when nothing has to be", async () => {
    const object = await sources.edited("app", { verify: null });
    expect(verified(object)).toBeUndefined();
    expect(object.status).not.toHaveProperty("sourceVerificationMode");
  });
});
