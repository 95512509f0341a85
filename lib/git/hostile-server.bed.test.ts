import { createHash } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { deflateSync } from "node:zlib";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { archivedFiles } from "../../test/bed/archived-files.ts";
import { type GitServer, startGitServer } from "../../test/bed/git/git-server.ts";
import { fetchArchive, type GitSource, resolveRevision } from "./fetch.ts";
import { objectId } from "./object-id.ts";
import { formatPackedHeader } from "./packed-object.ts";
import { formatPacket, textPacket } from "./pkt-line.ts";

let directory: string;
let count = 0;
const stops: (() => Promise<void>)[] = [];
const signal = AbortSignal.timeout(120_000);
const secret = "c4n4ry-t0ken";

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "sluice-hostile-"));
});
afterEach(async () => {
  await Promise.all(stops.splice(0).map((stop) => stop()));
});
afterAll(() => rm(directory, { recursive: true, force: true }));

async function serve(): Promise<{ server: GitServer; url: string }> {
  const server = await startGitServer({ directory: join(directory, String(count++)) });
  stops.push(() => server.stop());
  const repository = await server.repository("app");
  await repository.commit({ "a.txt": "a" });
  return { server, url: repository.url };
}

/** A server of our own, which answers what a test makes of it. */
async function answering(answer: (request: IncomingMessage, response: ServerResponse) => void): Promise<string> {
  const server = createServer(answer);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  stops.push(async () => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const main = { branch: "main" };
const resolve = (source: Omit<GitSource, "reference">) => resolveRevision({ reference: main, ...source }, signal);

async function failure(source: Omit<GitSource, "reference">): Promise<{ code: string; message: string }> {
  const error: unknown = await resolve(source).then(
    ({ revision }) => new Error(`resolved ${revision}`),
    (reason: unknown) => reason,
  );
  expect(String(error)).not.toContain(secret);
  const { code = "none", message } = error as { code?: string; message: string };
  return { code, message };
}

const advertisement = Buffer.concat([
  formatPacket(textPacket("version 2")),
  ...["ls-refs=unborn", "fetch=shallow", "object-format=sha1"].map((line) => formatPacket(textPacket(line))),
  formatPacket({ type: "flush" }),
]);
const id = "ab".repeat(20);

/** A server that advertises version 2 and answers every command with these bytes. */
function advertising(answer: Buffer | ((response: ServerResponse) => void)): Promise<string> {
  return answering((request, response) => {
    const kind = request.method === "GET" ? "advertisement" : "result";
    response.writeHead(200, { "content-type": `application/x-git-upload-pack-${kind}` });
    if (kind === "advertisement") response.end(advertisement);
    else if (typeof answer === "function") answer(response);
    else response.end(answer);
  });
}

describe("servers that are none", () => {
  it("GE-018, GIT-017: pages, unknown repositories, nothing at all", async () => {
    const page = await answering((_, response) =>
      response.writeHead(200, { "content-type": "text/html" }).end("<html>"),
    );
    expect((await failure({ url: page })).message).toBe(
      `unable to clone '${page}': the server does not speak Git's smart HTTP protocol (content type text/html); is the URL that of a repository?`,
    );
    const { server } = await serve();
    expect(await failure({ url: `${server.url}/none.git?x=${secret}` })).toEqual({
      code: "not-found",
      message: `unable to clone '${server.url}/none.git': repository not found`,
    });
    const closed = await answering(() => undefined);
    await Promise.all(stops.splice(0).map((stop) => stop()));
    expect((await failure({ url: `${closed}/x.git` })).message).toContain(
      `Get "${closed}/x.git/info/refs": dial tcp ${closed.slice(7)}: connect: connection refused`,
    );
    expect((await failure({ url: "http://no-such-host.invalid/x.git" })).message).toMatch(
      /lookup no-such-host.invalid/,
    );
  });

  it("GE-018: a server of files alone is told that it is one", async () => {
    const { server } = await serve();
    for (const type of ["text/plain", "application/octet-stream"]) {
      server.intercept = (_, response) => {
        response.writeHead(200, { "content-type": type }).end(`${id}\trefs/heads/main\n`);
        return true;
      };
      expect((await failure({ url: `${server.url}/app.git` })).message).toMatch(
        /dumb HTTP protocol\), which is not supported/,
      );
    }
  });

  it("GE-001: a list of references that ends early", async () => {
    const old = await answering((_, response) => {
      response.writeHead(200, { "content-type": "application/x-git-upload-pack-advertisement" });
      const service = formatPacket(textPacket("# service=git-upload-pack"));
      response.end(
        Buffer.concat([service, formatPacket({ type: "flush" }), formatPacket(textPacket(`${id} HEAD\0ofs-delta`))]),
      );
    });
    expect((await failure({ url: old })).message).toMatch(/advertisement ended early/);
  });

  it("GE-007: a page to sign in on asks for credentials", async () => {
    const signIn = await answering((_, response) =>
      response.writeHead(203, { "content-type": "text/html" }).end("<html>"),
    );
    expect((await failure({ url: signIn })).code).toBe("authentication-required");
  });

  it("GIT-022: a silent server is left when the time is over, and when it says nothing for long", async () => {
    const silent = await answering(() => undefined);
    const source = { url: silent, reference: main };
    await expect(resolveRevision(source, AbortSignal.timeout(200))).rejects.toThrow(
      `unable to clone '${silent}': context deadline exceeded`,
    );
    expect((await failure({ url: silent, limits: { silence: 200 } })).message).toMatch(/silent for 0.2 s/);
    const stalling = await advertising((response) => response.write(formatPacket(textPacket(`${id} refs/heads/main`))));
    await expect(resolveRevision({ ...source, url: stalling }, AbortSignal.timeout(200))).rejects.toThrow(/deadline/);
  });

  it("GE-001: answers beyond their bounds, broken off or senseless are refused", async () => {
    const line = formatPacket(textPacket(`${id} refs/heads/main`));
    const flood = await advertising((response) => {
      const more = (): void => {
        while (response.write(line.toString().repeat(100)));
      };
      response.on("drain", more);
      more();
    });
    expect((await failure({ url: flood, limits: { references: 1000 } })).code).toBe("too-large");
    expect((await failure({ url: flood, limits: { listing: 100_000 } })).code).toBe("too-large");
    const cut = await advertising((response) => {
      response.write(line.subarray(0, 20));
      setTimeout(() => response.destroy(), 50);
    });
    expect((await failure({ url: cut })).code).toBe("unreachable");
    const early = await advertising(line);
    expect((await failure({ url: early })).message).toMatch(/ended early/);
    const senseless = await advertising(formatPacket(textPacket("not an id")));
    expect((await failure({ url: senseless })).message).toMatch(/cannot be read/);
    const complaint = await advertising(formatPacket(textPacket(`ERR no \u001b[31m\nway ${"x".repeat(2000)}`)));
    const { message } = await failure({ url: complaint });
    expect(message).toMatch(/the server says: no \[31m way x+$/);
    expect(message.length).toBeLessThan(700);
  });

  it("GE-006, GE-011: a pack that is a bomb, or empty, and one on no pack's side band", async () => {
    const fetching = async (packets: Buffer[], limits: GitSource["limits"] = {}): Promise<unknown> => {
      const url = await advertising(Buffer.concat(packets));
      return fetchArchive({ url, reference: main, limits }, { revision: "x", commit: id }, signal);
    };
    const section = formatPacket(textPacket("packfile"));
    const flush = formatPacket({ type: "flush" });
    const band = (channel: number, bytes: Buffer): Buffer =>
      formatPacket({ type: "data", payload: Buffer.concat([Buffer.of(channel), bytes]) });
    const head = Buffer.from([...Buffer.from("PACK"), 0, 0, 0, 2, 0, 0, 0, 1]);
    const zeros = deflateSync(Buffer.alloc(40_000_000));
    const bomb = (size: number) =>
      Buffer.concat([head, formatPackedHeader({ type: "blob", size }, 12), zeros, Buffer.alloc(20)]);
    const sent = (pack: Buffer): Buffer[] => [section, band(2, Buffer.from("progress")), band(1, pack), flush];
    await expect(fetching(sent(bomb(40_000_000)), { unpacked: 1_000_000 })).rejects.toMatchObject({
      code: "too-large",
    });
    await expect(fetching(sent(bomb(1000)))).rejects.toMatchObject({ code: "corrupt" });
    await expect(fetching(sent(bomb(40_000_000)), { pack: 1000 })).rejects.toMatchObject({ code: "too-large" });
    await expect(fetching([section, band(3, Buffer.from("out of memory")), flush])).rejects.toThrow(
      /says: out of memory/,
    );
    await expect(fetching([section, band(7, head), flush])).rejects.toThrow(/unknown side band 7/);
    await expect(fetching([section, band(1, head)])).rejects.toThrow(/ended early/);
    await expect(fetching([section, band(1, Buffer.from("<html>")), flush])).rejects.toThrow(
      /something else than a pack/,
    );
    const none = Buffer.concat([head.subarray(0, 8), Buffer.alloc(4)]);
    const empty = Buffer.concat([none, createHash("sha1").update(none).digest()]);
    await expect(fetching(sent(empty))).rejects.toThrow(
      `unable to resolve commit object for '${id}': object not found`,
    );
    await expect(fetching([flush])).rejects.toMatchObject({ code: "protocol" });
  });

  it("GE-005, GE-006, GE-011: a commit of another id, of another kind, or larger than anybody writes one", async () => {
    const packOf = (type: "commit" | "blob", content: Buffer): Buffer => {
      const head = Buffer.from([...Buffer.from("PACK"), 0, 0, 0, 2, 0, 0, 0, 1]);
      const object = Buffer.concat([formatPackedHeader({ type, size: content.length }, 12), deflateSync(content)]);
      const pack = Buffer.concat([head, object]);
      return Buffer.concat([pack, createHash("sha1").update(pack).digest()]);
    };
    const packet = (bytes: Buffer): Buffer[] => {
      const packets: Buffer[] = [];
      for (let at = 0; at < bytes.length; at += 60_000)
        packets.push(
          formatPacket({ type: "data", payload: Buffer.concat([Buffer.of(1), bytes.subarray(at, at + 60_000)]) }),
        );
      return packets;
    };
    const fetching = async (
      type: "commit" | "blob",
      content: Buffer,
      wanted = objectId(type, content),
    ): Promise<unknown> => {
      const packets = [
        formatPacket(textPacket("packfile")),
        ...packet(packOf(type, content)),
        formatPacket({ type: "flush" }),
      ];
      const url = await advertising(Buffer.concat(packets));
      return fetchArchive({ url, reference: main }, { revision: "x", commit: wanted }, signal);
    };
    const commit = (message: string) => Buffer.from(`tree ${id}\ncommitter A <a@b> 1 +0000\n\n${message}`);
    await expect(fetching("commit", commit("x"), id)).rejects.toMatchObject({ name: "GitError", code: "refused" });
    await expect(fetching("blob", commit("x"))).rejects.toMatchObject({ code: "no-commit" });
    await expect(fetching("commit", commit("x".repeat(5_000_000)))).rejects.toThrow(/is larger than 4194304 bytes$/);
    await expect(fetching("commit", commit("x"))).rejects.toThrow(`the pack lacks the tree ${id}`);
  });

  it("GIT-022: a head that is dripped, and a body that is", async () => {
    const dripping = (text: string) => async (request: IncomingMessage) => {
      const { socket } = request;
      let at = 0;
      const timer = setInterval(() => socket.write(text[at++] ?? "x"), 20);
      socket.once("close", () => clearInterval(timer));
      socket.on("error", () => undefined);
    };
    for (const text of [
      "HTTP/1.1 200 OK\r\nx: ",
      "HTTP/1.1 200 OK\r\ncontent-type: application/x-git-upload-pack-advertisement\r\n\r\n00",
    ]) {
      const url = await answering(dripping(text));
      const begun = performance.now();
      const looking = resolveRevision({ url, reference: main }, AbortSignal.timeout(400));
      await expect(looking).rejects.toThrow(`unable to clone '${url}': context deadline exceeded`);
      expect(performance.now() - begun).toBeLessThan(3_000);
    }
  });

  it("GIT-023, GE-018: pointers of LFS and alternates name others, whom nobody asks", async () => {
    const asked: string[] = [];
    const elsewhere = await answering(({ url = "" }, response) => {
      asked.push(url);
      response.writeHead(404).end();
    });
    const { server, url } = await serve();
    const pointer = `version https://git-lfs.github.com/spec/v1\noid sha256:${"ab".repeat(32)}\nsize 12345\n`;
    const repository = await server.repository("lfs");
    await repository.commit({
      "large.bin": pointer,
      ".gitattributes": "*.bin filter=lfs diff=lfs merge=lfs -text\n",
      ".lfsconfig": `[lfs]\n\turl = ${elsewhere}/lfs\n`,
      "objects/info/http-alternates": `${elsewhere}/objects\n`,
    });
    const source = { url: repository.url, reference: main };
    const { tarGz } = await fetchArchive(source, await resolveRevision(source, signal), signal);
    expect((await archivedFiles(tarGz.read(0, tarGz.size)))["large.bin"]).toBe(pointer);
    tarGz.close();
    const paths = server.requests.map(({ path }) => path.replace(/\?.*/, ""));
    expect(new Set(paths)).toEqual(new Set(["/lfs.git/info/refs", "/lfs.git/git-upload-pack"]));
    expect([asked, url === source.url]).toEqual([[], false]);
  });

  it("GE-001: an idle connection that the server has closed is opened again", async () => {
    const { server, url } = await serve();
    await resolve({ url });
    await new Promise((done) => setTimeout(done, 50));
    for (let round = 0; round < 3; round++) await resolve({ url });
    expect(server.requests.map(({ method }) => method)).toEqual(["GET", "POST", "POST", "POST", "POST"]);
  });
});
