import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type GitServer, startGitServer } from "../../test/bed/git/git-server.ts";
import { fetchArchive, type GitSource, resolveRevision } from "./fetch.ts";
import { formatPacket, type Packet, parsePackets, textOf, textPacket } from "./pkt-line.ts";

type GitRepository = Awaited<ReturnType<GitServer["repository"]>>;

let directory: string;
let server: GitServer;
let app: GitRepository;
const commits: string[] = [];
const stops: (() => void)[] = [];
const signal = AbortSignal.timeout(120_000);
const flush = formatPacket({ type: "flush" });
const line = (text: string): Buffer => formatPacket(textPacket(text));
const band = (content: Buffer, channel = 1): Buffer =>
  formatPacket({ type: "data", payload: Buffer.concat([Buffer.of(channel), content]) });

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "sluice-older-"));
  server = await startGitServer({ directory });
  app = await server.repository("app");
  // Files that are alike are deltas of one another in a pack.
  const content = Array.from({ length: 500 }, (_, index) => `${createHash("sha1").update(`${index}`).digest("hex")}\n`);
  const files = (n: number) => ({ "n.txt": `${content.join("")}${n}\n`, "m.txt": `${n}\n${content.join("")}` });
  for (const n of [0, 1]) commits.push(await app.commit(files(n), { message: `Number ${n}` }));
});
afterAll(async () => {
  for (const stop of stops) stop();
  await server.stop();
  await rm(directory, { recursive: true, force: true });
});
beforeEach(() => {
  server.intercept = () => false;
  server.requests.length = 0;
});

const revisionOf = async (source: GitSource) => (await resolveRevision(source, signal)).revision;

async function subjectOf(source: GitSource): Promise<string> {
  return (await fetchArchive(source, await resolveRevision(source, signal), signal)).subject;
}

/** Leaves the client's wish for version 2 out, as servers do that have none. */
function older(request: IncomingMessage): boolean {
  delete request.headers["git-protocol"];
  return false;
}

/** A repository's branch as one pack. */
function packOf(repository: GitRepository, ...options: string[]): Buffer {
  const input = "refs/heads/main\n";
  const words = ["pack-objects", "--revs", "--stdout", "-q", ...options];
  return execFileSync("git", words, { cwd: repository.directory, input });
}

/** What a host was asked with a body: the headers that say how long it is, and the lines. */
type Asked = { length: string | undefined; encoding: string | undefined; bytes: number; lines: string[] };

/** A host that offers the repository `app` in version 0 alone, whatever version it is asked for. */
type Host = {
  capabilities: string;
  references: string[];
  /** Answers who may not read it. */
  refuse(response: ServerResponse): void;
  /** Why an upload-pack request is not answered: status and text. */
  objection(asked: Asked): { status: number; text: string } | undefined;
  /** What it says on the side band before the pack. */
  progress: string[];
};

async function startHost(host: Host): Promise<{ url: string; asked: Asked[] }> {
  const asked: Asked[] = [];
  const expected = `Basic ${Buffer.from("jane:token").toString("base64")}`;
  const listener = createServer(async (request, response) => {
    const body = await buffer(request);
    if (request.headers.authorization !== expected) host.refuse(response);
    else if (request.method === "GET") {
      const [first = "", ...others] = host.references;
      response.writeHead(200, { "content-type": "application/x-git-upload-pack-advertisement" });
      const references = [`${first}\0${host.capabilities}`, ...others];
      response.end(Buffer.concat([line("# service=git-upload-pack"), flush, ...references.map(line), flush]));
    } else {
      const packets: Packet[] = [];
      for await (const packet of parsePackets(Readable.from([body]))) packets.push(packet);
      const { "content-length": length, "transfer-encoding": encoding } = request.headers;
      const lines = packets.map((packet) => textOf(packet) ?? packet.type);
      const one = { length, encoding, bytes: body.length, lines };
      asked.push(one);
      const objection = host.objection(one);
      if (objection !== undefined) response.writeHead(objection.status).end(objection.text);
      else {
        const shallow = [line(`shallow ${commits[1]}`), flush, line("NAK")];
        const told = host.progress.map((text) => band(Buffer.from(text), 2));
        response.writeHead(200, { "content-type": "application/x-git-upload-pack-result" });
        response.end(Buffer.concat([...shallow, ...told, band(packOf(app)), flush]));
      }
    }
  });
  listener.listen(0, "127.0.0.1");
  await once(listener, "listening");
  stops.push(() => {
    listener.closeAllConnections();
    listener.close();
  });
  const address = listener.address();
  return { url: `http://127.0.0.1:${typeof address === "object" ? address?.port : ""}/org/_git/app`, asked };
}

const credentials = { username: "jane", password: "token" };
/** Whether a body came with its length, and not in chunks. */
const isMeasured = ({ length, encoding, bytes }: Asked) => length === String(bytes) && encoding === undefined;

describe("hosts that have the older protocol alone", () => {
  /**
   * Azure DevOps as its users have recorded it: the capabilities of GitoxideLabs/gitoxide issue 1025, whose packs hold deltas that name
   * their base by its id; the refusal of go-git/go-git issue 64 and ConfigButler/gitops-reverser issue 288, which asks for a capability in the
   * client's list; the page to sign in on with status 203 of MicrosoftDocs/vsts-rest-api-specs issue 574; the words on the side band of
   * microsoft/azure-pipelines-tasks issue 20008.
   */
  it("GE-007: Azure DevOps is told multi_ack_detailed, sends a page at first contact, and deltas without offsets", async () => {
    expect(packOf(app).length).toBeGreaterThan(packOf(app, "--delta-base-offset").length);
    const { url, asked } = await startHost({
      capabilities:
        "multi_ack thin-pack side-band side-band-64k no-progress multi_ack_detailed no-done shallow allow-tip-sha1-in-want filter symref=HEAD:refs/heads/main",
      references: [`${commits[1]} HEAD`, `${commits[1]} refs/heads/main`, `${commits[0]} refs/pull/7/merge`],
      refuse: (response) =>
        response.writeHead(203, { "content-type": "text/html; charset=utf-8" }).end("<!DOCTYPE html><html></html>"),
      objection: ({ lines: [want = ""] }) =>
        / .* /.test(want) && !/ multi_ack(_detailed)?( |$)/.test(want)
          ? { status: 400, text: "TF401041: Clients must support multi-ack." }
          : undefined,
      progress: ["Azure Repos\r\n", "Found 6 objects to send. (99 ms)\r\n"],
    });
    const reference = { branch: "main" };
    await expect(resolveRevision({ url, reference }, signal)).rejects.toMatchObject({
      code: "authentication-required",
      message: `unable to clone '${url}': authentication required`,
    });
    expect(await subjectOf({ url, reference, credentials })).toBe("Number 1");
    expect(asked.map(({ lines }) => lines)).toEqual([
      [`want ${commits[1]} multi_ack_detailed no-progress side-band-64k`, "deepen 1", "flush", "done"],
    ]);
    expect(asked.every(isMeasured)).toBe(true);
    expect(await revisionOf({ url, reference: { name: "refs/pull/7/merge" }, credentials })).toMatch(/^refs\/pull/);
    const head = { url, reference: { name: "refs/pull/7/head" }, credentials };
    await expect(resolveRevision(head, signal)).rejects.toThrow(/unable to resolve ref 'refs\/pull\/7\/head'/);
  });

  /**
   * CodeCommit as its users have recorded it: the capabilities of isomorphic-git/isomorphic-git issue 199, where HEAD is no symbolic reference
   * and offsets are not had (src-d/go-git issue 945); the refusal of isomorphic-git/isomorphic-git issue 1130; the words on the
   * side band of Kong/insomnia issue 5545.
   */
  it("GE-008: CodeCommit gets the length of each body, is asked for no offsets, and HEAD need be no symbolic reference", async () => {
    const { url, asked } = await startHost({
      capabilities:
        "multi_ack_detailed shallow side-band-64k thin-pack allow-tip-sha1-in-want allow-reachable-sha1-in-want",
      references: [`${commits[1]} HEAD`, `${commits[1]} refs/heads/main`],
      refuse: (response) =>
        response
          .writeHead(403, { "x-amzn-requestid": "2f8450fa-86ea-11e8-9435-959487d33ae1" })
          .end(
            "<UnrecognizedClientException>\n  <Message>The security token included in the request is invalid</Message>\n</UnrecognizedClientException>\n\n",
          ),
      objection: ({ length, encoding }) =>
        length === undefined || encoding !== undefined ? { status: 411, text: "" } : undefined,
      progress: ["Counting objects: 0\r", "Counting objects: 6, done.\n"],
    });
    await expect(resolveRevision({ url, reference: { branch: "main" } }, signal)).rejects.toMatchObject({
      code: "authorization-failed",
      message: `unable to clone '${url}': authorization failed`,
    });
    for (const reference of [{ branch: "main" }, { name: "HEAD" }, { commit: commits[1] ?? "", branch: "main" }])
      expect(await subjectOf({ url, reference, credentials })).toBe("Number 1");
    expect(asked).toHaveLength(3);
    for (const { lines } of asked)
      expect(lines).toEqual([`want ${commits[1]} multi_ack_detailed side-band-64k`, "deepen 1", "flush", "done"]);
    expect(asked.every(isMeasured)).toBe(true);
    const pull = { url, reference: { name: "refs/pull/7/head" }, credentials };
    await expect(resolveRevision(pull, signal)).rejects.toThrow(/unable to resolve ref 'refs\/pull\/7\/head'/);
  });
});

describe("versions 0 and 1 by git itself", () => {
  it("GE-001, SB-003: a fetch is one listing and one pack, and a check one listing", async () => {
    server.intercept = older;
    const source = { url: app.url, reference: { branch: "main" } };
    expect(await subjectOf(source)).toBe("Number 1");
    expect(server.requests.map(({ method }) => method)).toEqual(["GET", "POST"]);
    server.requests.length = 0;
    await resolveRevision(source, signal);
    expect(server.requests.map(({ method }) => method)).toEqual(["GET"]);
    // Nothing that is written in version 0 is said to be of version 2.
    await subjectOf(source);
    expect(server.requests.filter(({ method }) => method === "POST").map(({ protocol }) => protocol)).toEqual([
      undefined,
    ]);
  });

  it("GE-001: a server that changes its version is read anew in the same pass", async () => {
    const repository = await server.repository("changing");
    await repository.commit({ a: "1" }, { message: "One" });
    const source = { url: repository.url, reference: { branch: "main" } };
    for (const answer of [older, () => false, older, () => false]) {
      server.intercept = answer;
      expect(await subjectOf(source)).toBe("One");
    }
  });

  it.each(["0", "2"])("GE-006: a refusal that looks like success is none, in version %s", async (version) => {
    const isOlder = version === "0";
    const repository = await server.repository(`refusing-${version}`);
    const first = await repository.commit({ a: "1" }, { message: "First" });
    await repository.commit({ a: "2" });
    const source = { url: repository.url, reference: { commit: first, branch: "main" } };
    server.intercept = isOlder ? older : () => false;
    const resolved = await resolveRevision(source, signal);
    const head = Buffer.from("PACK\0\0\0\u0002\0\0\0\0", "latin1");
    const empty = Buffer.concat([head, createHash("sha1").update(head).digest()]);
    const answers = isOlder ? [line("NAK")] : [line("packfile")];
    let refusals = 0;
    server.intercept = (request, response) => {
      if (isOlder) older(request);
      if (request.method !== "POST" || refusals > 0) return false;
      refusals++;
      response.writeHead(200, { "content-type": "application/x-git-upload-pack-result" });
      response.end(Buffer.concat([...answers, band(empty), flush]));
      return true;
    };
    expect((await fetchArchive(source, resolved, signal)).subject).toBe("First");
    expect(refusals).toBe(1);
    if (!isOlder) return;
    server.intercept = (request, response) => {
      if (older(request) || request.method !== "POST") return false;
      response.writeHead(200, { "content-type": "application/x-git-upload-pack-result" });
      response.end(Buffer.concat([...answers, band(empty), flush]));
      return true;
    };
    await expect(fetchArchive(source, resolved, signal)).rejects.toThrow(/object not found/);
  });
});
