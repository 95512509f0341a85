import { buffer } from "node:stream/consumers";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseAdvertisement } from "./capabilities.ts";
import { GitError } from "./git-error.ts";
import { defaultLimits } from "./limits.ts";
import { type Packet, parsePackets, textOf, textPacket } from "./pkt-line.ts";
import { formatOlderFetch, olderPackfileOf, parseOlderReadiness } from "./protocol-v0.ts";

const id = "ab".repeat(20);
const other = "cd".repeat(20);
const flush: Packet = { type: "flush" };
const azure =
  "multi_ack thin-pack side-band side-band-64k no-progress multi_ack_detailed no-done shallow allow-tip-sha1-in-want filter symref=HEAD:refs/heads/main";

/** Texts are packets of one line each. */
async function* packets(...parts: (string | Packet)[]): AsyncGenerator<Packet> {
  for (const part of parts) yield typeof part === "string" ? textPacket(part) : part;
}

async function lines(request: Buffer): Promise<string[]> {
  const told: string[] = [];
  for await (const packet of parsePackets(chunks(request))) told.push(textOf(packet) ?? packet.type);
  return told;
}

async function* chunks(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

const band = (channel: number, text: string): Packet => ({
  type: "data",
  payload: Buffer.concat([Buffer.of(channel), Buffer.from(text)]),
});
const read = (...parts: (string | Packet)[]) => parseAdvertisement(packets(...parts), defaultLimits);

describe("advertisements of versions 0 and 1", () => {
  it("GE-001, GE-004: references, what tags point to, and capabilities", async () => {
    const own = [`${id} HEAD\0multi_ack shallow symref=HEAD:refs/heads/main`, `${id} refs/heads/main`];
    const tags = [`${other} refs/tags/a`, `${id} refs/tags/a^{}`, `shallow ${other}`, flush];
    for (const before of [[], ["# service=git-upload-pack", flush], ["version 1"]]) {
      expect(await read(...before, ...own, ...tags)).toEqual({
        version: 0,
        capabilities: new Map([
          ["multi_ack", ""],
          ["shallow", ""],
          ["symref", "HEAD:refs/heads/main"],
        ]),
        references: [
          { name: "HEAD", id },
          { name: "refs/heads/main", id },
          { name: "refs/tags/a", id: other, peeled: id },
        ],
      });
    }
  });

  it("GE-001, GIT-018: a repository that has no reference", async () => {
    const none = { version: 0, references: [] };
    expect(await read(`${"0".repeat(40)} capabilities^{}\0shallow`, flush)).toMatchObject(none);
    expect(await read("# service=git-upload-pack", flush, flush)).toMatchObject(none);
    expect(await read(flush)).toMatchObject(none);
  });

  it("GE-008: HEAD may be no symbolic reference, and may be absent", async () => {
    const { capabilities } = await read(`${id} refs/heads/main\0shallow`, flush);
    expect(capabilities.has("symref")).toBe(false);
  });

  it("GIT-021, GE-017: refusals", async () => {
    await expect(read(`${id}${"0".repeat(24)} HEAD\0object-format=sha256`, flush)).rejects.toThrow(/named by sha256/);
    await expect(read("hello", flush)).rejects.toThrow(/cannot be read/);
    await expect(read(`${id} a b\0`, flush)).rejects.toThrow(/cannot be read/);
    await expect(read(`${id} HEAD\0shallow`)).rejects.toThrow(/ended early/);
    await expect(read("ERR no such repository", flush)).rejects.toThrow(/says: no such repository/);
    const many = packets(...Array.from({ length: 6 }, (_, index) => `${id} refs/heads/${index}`), flush);
    await expect(parseAdvertisement(many, { advertisement: 10, references: 5 })).rejects.toThrow(/more than 5/);
  });
});

describe("what servers make up", () => {
  it("GE-001: nothing but a GitError comes out of an advertisement or an answer", async () => {
    const word = fc.constantFrom(
      id,
      `${id} HEAD`,
      "version 1",
      "version 2",
      "\0",
      "capabilities^{}",
      "^{}",
      "shallow",
      " ",
    );
    const text = fc.array(fc.oneof(word, fc.string({ maxLength: 8 })), { maxLength: 5 }).map((parts) => parts.join(""));
    const special = fc.constantFrom<Packet>(flush, { type: "delimiter" }, { type: "end" }, band(1, "x"), band(3, "x"));
    const readers = [
      (parts: (string | Packet)[]) => parseAdvertisement(packets(...parts), { advertisement: 50, references: 3 }),
      (parts: (string | Packet)[]) => buffer(olderPackfileOf(packets(...parts))),
      (parts: (string | Packet)[]) => parseOlderReadiness(packets(...parts)),
    ];
    await fc.assert(
      fc.asyncProperty(fc.array(fc.oneof(text, special), { maxLength: 8 }), async (parts) => {
        for (const reader of readers) {
          const failure: unknown = await reader(parts).then(
            () => undefined,
            (error: unknown) => error,
          );
          if (failure !== undefined) expect(failure).toBeInstanceOf(GitError);
        }
      }),
      { numRuns: 2000 },
    );
  });
});

describe("fetches in versions 0 and 1", () => {
  it("GE-001, GE-007: only what the server has is asked for, and never a thin pack", async () => {
    const capabilities = new Map(azure.split(" ").map((name) => [name, ""]));
    const request = { wants: [id, other, id], depth: 1, filter: "tree:0" };
    expect(await lines(formatOlderFetch(request, capabilities))).toEqual([
      `want ${id} multi_ack_detailed no-progress side-band-64k filter`,
      `want ${other}`,
      ...["deepen 1", "filter tree:0", "flush", "done"],
    ]);
    capabilities.delete("filter");
    capabilities.set("agent", "x").set("ofs-delta", "");
    expect(await lines(formatOlderFetch({ wants: [id], haves: [other], filter: "tree:0" }, capabilities))).toEqual([
      `want ${id} multi_ack_detailed ofs-delta no-progress side-band-64k agent=git/sluice`,
      ...["flush", `have ${other}`, "flush"],
    ]);
    const least = new Map([["side-band-64k", ""]]);
    expect(await lines(formatOlderFetch({ wants: [id] }, least))).toEqual([
      `want ${id} side-band-64k`,
      "flush",
      "done",
    ]);
    expect(() => formatOlderFetch({ wants: [id], depth: 1 }, new Map())).toThrow(/does not offer shallow/);
    expect(() => formatOlderFetch({ wants: [id] }, new Map())).toThrow(/on a side band/);
  });

  it("GE-001, GE-007: the pack comes after shallow commits and acknowledgments of each kind", async () => {
    const answer = [`shallow ${id}`, flush, `ACK ${id} common`, `ACK ${id} ready`, "NAK", band(2, "progress")];
    const pack = [band(1, "PA"), band(1, ""), band(1, "CK")];
    expect((await buffer(olderPackfileOf(packets(...answer, ...pack, flush)))).toString()).toBe("PACK");
    await expect(buffer(olderPackfileOf(packets(...answer, ...pack)))).rejects.toThrow(/ended early/);
    await expect(buffer(olderPackfileOf(packets("NAK", band(3, "no memory"), flush)))).rejects.toThrow(/no memory/);
    await expect(buffer(olderPackfileOf(packets("NAK", "what", flush)))).rejects.toThrow(/unknown side band/);
  });

  it("GE-006: a refusal is one whether the server says it or ends without a word", async () => {
    for (const answer of [["ERR upload-pack: not our ref"], [], [flush]]) {
      await expect(buffer(olderPackfileOf(packets(...answer)))).rejects.toMatchObject({ code: "refused" });
    }
  });

  it("GIT-015: ready is the server's word that every want has a common ancestor", async () => {
    expect(await parseOlderReadiness(packets(`ACK ${id} common`, `ACK ${id} ready`, "NAK"))).toBe(true);
    expect(await parseOlderReadiness(packets(`ACK ${id} common`, "NAK"))).toBe(false);
    expect(await parseOlderReadiness(packets("NAK"))).toBe(false);
    expect(await parseOlderReadiness(packets())).toBe(false);
  });
});
