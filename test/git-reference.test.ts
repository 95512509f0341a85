import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { GitRepository } from "../lib/host/git/repository.ts";
import { createCertificateAuthority, issueCertificate } from "../lib/platform/local/certificate.ts";
import { bedPart } from "./bed/bed.ts";
import { type GitServer, startGitServer } from "./bed/git/git-server.ts";
import { messageOf, openSources, type Sources, typesOf } from "./bed/sources.ts";

let sources: Sources;

beforeAll(async () => {
  sources = await openSources("git-reference");
});

afterAll(() => sources?.close());

describe("what is fetched", () => {
  let repository: GitRepository;
  const commits: Record<string, string> = {};

  beforeAll(async () => {
    repository = await sources.repository({ "app/a.txt": "one\n", "apps/b.txt": "b\n", "README.md": "read me\n" });
    commits.first = (await repository.git(["rev-parse", "main"])).trim();
    commits.second = await repository.commit({ "app/a.txt": "two\n" }, { tag: "v1.0.0", annotated: true });
    commits.third = await repository.commit({ "app/a.txt": "three\n" }, { tag: "v1.1.0" });
    commits.feature = await repository.commit({ "app/a.txt": "f\n" }, { branch: "feat/x" });
    await sources.gitRepository("refs", repository.url);
    await sources.untilReady("GitRepository", "refs");
  });

  const none = { branch: null, tag: null, semver: null, name: null, commit: null };
  it.each([
    ["a branch with a slash", { branch: "feat/x" }, "feat/x", "feature"],
    ["an annotated tag, by its commit", { tag: "v1.0.0" }, "v1.0.0", "second"],
    ["a range", { semver: ">=1.0.0 <1.1.0" }, "v1.0.0", "second"],
    ["a tag before a range", { semver: "*", tag: "v1.0.0" }, "v1.0.0", "second"],
    ["a full name", { name: "refs/tags/v1.1.0", branch: "feat/x" }, "refs/tags/v1.1.0", "third"],
    ["a commit", { commit: "first" }, undefined, "first"],
    ["a commit of a branch", { commit: "second", branch: "main" }, "main", "second"],
    ["a branch", { branch: "main" }, "main", "third"],
  ])(
    "GIT-004, GIT-005, GIT-006, GIT-007, GIT-012, GIT-014, SRC-029: %s, by an edit of the spec",
    async (_, ref, pointer, commit) => {
      const wanted = { ...none, ...ref, ...("commit" in ref ? { commit: commits[ref.commit] } : {}) };
      const object = await sources.edited("refs", { ref: wanted });
      const digest = `sha1:${commits[commit]}`;
      expect(object.status?.artifact?.revision).toBe(pointer === undefined ? digest : `${pointer}@${digest}`);
      await sources.archive(object);
      await sources.reconciled("refs");
      const isCloned = "commit" in ref || ("semver" in ref && !("tag" in ref));
      const reason = isCloned ? "ArtifactUpToDate" : "GitOperationSucceeded";
      expect((await sources.told("refs")).at(-1)?.slice(0, 2)).toEqual(["Normal", reason]);
    },
  );

  it("GIT-041, GIT-042, IGN-009: a change of what is ignored builds the same revision anew", async () => {
    const before = await sources.untilReady("GitRepository", "refs");
    const ignoring = await sources.edited("refs", { ignore: "*.md" });
    expect(ignoring.status).toMatchObject({
      observedIgnore: "*.md",
      artifact: { revision: before.status?.artifact?.revision },
    });
    expect((await sources.archive(ignoring)).toString("latin1")).not.toContain("read me");
    expect((await sources.told("refs")).at(-1)?.slice(0, 2)).toEqual(["Normal", "NewArtifact"]);
    const empty = await sources.edited("refs", { ignore: "" });
    expect(empty.status).toMatchObject({ observedIgnore: "" });
    expect(empty.status?.artifact?.digest).toBe(before.status?.artifact?.digest);
    const absent = await sources.edited("refs", { ignore: null });
    expect(absent.status).not.toHaveProperty("observedIgnore");
  });

  it("GIT-042, GIT-100, GIT-102: a sparse checkout, whose list is repeated as it was written", async () => {
    const sparse = await sources.edited("refs", { sparseCheckout: ["./app/"] });
    expect(sparse.status).toMatchObject({ observedSparseCheckout: ["./app/"] });
    const tar = (await sources.archive(sparse)).toString("latin1");
    expect(tar).toContain("app/a.txt");
    expect(tar).not.toContain("README.md");
    const whole = await sources.edited("refs", { sparseCheckout: null });
    expect((await sources.archive(whole)).toString("latin1")).toContain("README.md");
  });

  it("GIT-101, SRC-012: a directory that is not there fails the fetch and leaves the artifact", async () => {
    const before = await sources.untilReady("GitRepository", "refs");
    await sources.patch("GitRepository", "refs", { spec: { sparseCheckout: ["nope"] } });
    const failed = await sources.untilFailed("refs", "GitOperationFailed");
    expect(messageOf(failed)).toMatch(
      /^failed to sparse checkout directories : sparse checkout dir 'nope' does not exist in repository: /,
    );
    expect(typesOf(failed)).toEqual(["ArtifactInStorage", "FetchFailed", "Ready", "Reconciling"]);
    expect(failed.status?.artifact).toEqual(before.status?.artifact);
    await sources.edited("refs", { sparseCheckout: null });
  });

  it("GIT-019: a branch that was pushed back goes back", async () => {
    await repository.git(["update-ref", "refs/heads/main", commits.first ?? ""]);
    expect((await sources.reconciled("refs")).status?.artifact?.revision).toBe(`main@sha1:${commits.first}`);
  });

  it("GIT-018: an empty repository, until it is none", async () => {
    const empty = await sources.git.repository("empty");
    await sources.gitRepository("empty", empty.url);
    const failed = await sources.untilFailed("empty", "EmptyGitRepository");
    expect(messageOf(failed)).toBe("git repository is empty");
    await empty.commit({ "a.txt": "a" });
    await sources.reconcile("GitRepository", "empty");
    await sources.untilReady("GitRepository", "empty");
  });
});

describe("who may fetch", () => {
  const canary = "c4n4ry-p4ssw0rd";
  const authority = createCertificateAuthority("a private authority");
  let server: GitServer;
  let repository: GitRepository;
  let directory: string;

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "sluice-private-"));
    const tls = issueCertificate(authority, { names: ["127.0.0.1"] });
    server = await startGitServer({ directory, tls, basic: { username: "jane", password: canary } });
    repository = await server.repository("private");
    await repository.commit({ "a.txt": "a" });
  });

  afterAll(async () => {
    await server?.stop();
    await rm(directory, { recursive: true, force: true });
  });

  const secret = { apiVersion: "v1", kind: "Secret", metadata: { name: "credentials" } };

  it("GIT-061, SRC-017: a Secret that is missing is named, and found once it is there", async () => {
    await sources.gitRepository("private", repository.url, { secretRef: { name: "credentials" } });
    const named = `'${sources.namespace}/credentials'`;
    const failed = await sources.untilFailed("private", "AuthenticationFailed");
    expect(messageOf(failed)).toBe(
      `failed to get secret ${named}: failed to get secret ${named}: secrets "credentials" not found`,
    );
    expect(server.requests).toEqual([]);
    const stringData = { username: "jane", password: "wrong", "ca.crt": authority.certificate };
    await sources.create({ ...secret, stringData });
    const refused = await sources.untilFailed("private", "GitOperationFailed");
    expect(messageOf(refused)).toBe(
      `failed to checkout and determine revision: unable to clone '${repository.url}': authentication required`,
    );
  });

  it("GIT-055: an authority that is not trusted is refused before any credential goes out", async () => {
    server.requests.length = 0;
    await sources.create({
      apiVersion: "v1",
      kind: "Secret",
      metadata: { name: "without-authority" },
      stringData: { username: "jane", password: canary },
    });
    await sources.gitRepository("untrusted", repository.url, { secretRef: { name: "without-authority" } });
    expect(messageOf(await sources.untilFailed("untrusted", "GitOperationFailed"))).toBe(
      `failed to checkout and determine revision: unable to clone '${repository.url}': Get "${repository.url}/info/refs": tls: failed to verify certificate: x509: certificate signed by unknown authority`,
    );
    await sources.remove("untrusted");
  });

  it("GIT-050, GIT-055, SEC-011: a Secret that is put right is used at the next attempt", async () => {
    await sources.patch("Secret", "credentials", { stringData: { password: canary } });
    const object = await sources.reconciled("private");
    expect(object.status?.artifact?.revision).toMatch(/^main@sha1:/);
    expect(typesOf(object)).toEqual(["ArtifactInStorage", "Ready"]);
    await sources.archive(object);
  });

  it("SEC-012: no credential shows in what is told of them", async () => {
    const url = new URL(repository.url);
    [url.username, url.password] = ["joe", canary];
    await sources.gitRepository("in-url", url.href);
    const failed = await sources.untilFailed("in-url", "GitOperationFailed");
    expect(messageOf(failed)).toContain(`unable to clone '${repository.url}'`);
    for (const name of ["private", "untrusted", "in-url"]) {
      const object = await sources.find("GitRepository", name);
      expect(JSON.stringify([object?.status, await sources.told(name)])).not.toContain(canary);
    }
    const { logFile } = await bedPart("sluice");
    expect(await readFile(logFile, "utf8")).not.toContain(canary);
  });
});
