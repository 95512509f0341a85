import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type IncomingMessage } from "node:http";
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
const band = (content: Buffer): Buffer =>
  formatPacket({ type: "data", payload: Buffer.concat([Buffer.of(1), content]) });

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "sluice-older-"));
  server = await startGitServer({ directory });
  app = await server.repository("app");
  for (const n of [0, 1]) commits.push(await app.commit({ "n.txt": `${n}\n` }, { message: `Number ${n}` }));
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
function packOf(repository: GitRepository): Buffer {
  const input = "refs/heads/main\n";
  return execFileSync("git", ["pack-objects", "--revs", "--stdout", "-q"], { cwd: repository.directory, input });
}

describe("hosts that have the older protocol alone", () => {
  /**
   * Answers as Azure DevOps does: a page to sign in on at first contact, every capability of the negotiation but `filter`, merge
   * commits of pull requests alone, acknowledgments before the pack; and as CodeCommit, which has no symbolic HEAD and takes no
   * body without its length.
   */
  async function startHost(): Promise<{ url: string; asked: string[][] }> {
    const asked: string[][] = [];
    const caps =
      "multi_ack thin-pack side-band side-band-64k no-progress include-tag shallow multi_ack_detailed no-done allow-tip-sha1-in-want";
    const listener = createServer(async (request, response) => {
      const body = await buffer(request);
      const expected = `Basic ${Buffer.from("jane:token").toString("base64")}`;
      if (request.headers.authorization !== expected) {
        response.writeHead(203, { "content-type": "text/html; charset=utf-8" }).end("<html>Sign in</html>");
      } else if (request.method === "GET") {
        const references = [
          `${commits[1]} HEAD\0${caps}`,
          `${commits[1]} refs/heads/main`,
          `${commits[0]} refs/pull/7/merge`,
        ];
        response.writeHead(200, { "content-type": "application/x-git-upload-pack-advertisement" });
        response.end(Buffer.concat([line("# service=git-upload-pack"), flush, ...references.map(line), flush]));
      } else if (request.headers["content-length"] === undefined) response.writeHead(411).end();
      else {
        const packets: Packet[] = [];
        for await (const packet of parsePackets(Readable.from([body]))) packets.push(packet);
        asked.push(packets.map((packet) => textOf(packet) ?? packet.type));
        const shallow = [line(`shallow ${commits[1]}`), flush];
        const told = [line(`ACK ${commits[0]} common`), line(`ACK ${commits[0]} ready`), line("NAK")];
        response.writeHead(200, { "content-type": "application/x-git-upload-pack-result" });
        response.end(Buffer.concat([...shallow, ...told, band(packOf(app)), flush]));
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

  it("GE-007, GE-008: a page at first contact is no repository, and what is asked for is what such hosts have", async () => {
    const { url, asked } = await startHost();
    const reference = { branch: "main" };
    await expect(resolveRevision({ url, reference }, signal)).rejects.toMatchObject({
      code: "authentication-required",
      message: `unable to clone '${url}': authentication required`,
    });
    const credentials = { username: "jane", password: "token" };
    expect(await subjectOf({ url, reference, credentials })).toBe("Number 1");
    expect(asked).toEqual([
      [`want ${commits[1]} multi_ack_detailed no-progress side-band-64k`, "deepen 1", "flush", "done"],
    ]);
    expect(await revisionOf({ url, reference: { name: "refs/pull/7/merge" }, credentials })).toMatch(/^refs\/pull/);
    const head = { url, reference: { name: "refs/pull/7/head" }, credentials };
    await expect(resolveRevision(head, signal)).rejects.toThrow(/unable to resolve ref 'refs\/pull\/7\/head'/);
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
