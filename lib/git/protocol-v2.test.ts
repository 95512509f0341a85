import { buffer } from "node:stream/consumers";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseAdvertisement } from "./capabilities.ts";
import { formatFetch, packfileOf, parseReadiness } from "./fetch-pack.ts";
import { defaultLimits } from "./limits.ts";
import { formatLsRefs, parseReference, parseReferences } from "./ls-refs.ts";
import { type Packet, parsePackets, textOf, textPacket } from "./pkt-line.ts";

const id = "ab".repeat(20);
const other = "cd".repeat(20);
const flush: Packet = { type: "flush" };
const delimiter: Packet = { type: "delimiter" };

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

describe("capability advertisement", () => {
  it("GE-001: with and without the name of the service before it", async () => {
    const own = ["version 2", "agent=git/2.50", "ls-refs=unborn", "fetch=shallow filter", "server-option", flush];
    for (const before of [[], ["# service=git-upload-pack", flush]]) {
      const { version, capabilities } = await parseAdvertisement(packets(...before, ...own), defaultLimits);
      expect(version).toBe(2);
      expect(capabilities.get("fetch")).toBe("shallow filter");
      expect(capabilities.get("server-option")).toBe("");
    }
  });

  it("GE-001, GIT-021: other hashes, missing commands, complaints, too much and nothing at all", async () => {
    const failing = (...parts: (string | Packet)[]) =>
      expect(parseAdvertisement(packets(...parts), { ...defaultLimits, advertisement: 100 })).rejects;
    await failing().toThrow(/ended early/);
    await failing("version 2", "ls-refs", "fetch").toThrow(/ended early/);
    await failing("version 2", "object-format=sha256", flush).toThrow(/named by sha256/);
    await failing("version 2", "ls-refs", flush).toThrow(/does not offer the command 'fetch'/);
    await failing("version 2", "x".repeat(101), flush).toThrow(/larger than 100 bytes/);
    await failing("ERR access denied", flush).toThrow(/says: access denied/);
  });
});

describe("ls-refs", () => {
  it("GE-001: asks for what tags point to, below prefixes alone", async () => {
    expect(await lines(formatLsRefs(["refs/heads/main", "HEAD"]))).toEqual([
      ...["command=ls-refs", "agent=git/sluice", "delimiter", "peel"],
      ...["ref-prefix refs/heads/main", "ref-prefix HEAD", "flush"],
    ]);
  });

  it("GE-004: reads references, peeled tags and a HEAD that points to nothing", async () => {
    const answer = packets(
      "unborn HEAD symref-target:refs/heads/main",
      `${id} refs/tags/a peeled:${other}`,
      `${id} refs/heads/ü symref-target:refs/heads/x`,
      flush,
    );
    expect(await parseReferences(answer, defaultLimits)).toEqual([
      { name: "refs/tags/a", id, peeled: other },
      { name: "refs/heads/ü", id },
    ]);
  });

  it("GE-001: lines that are none, and lists that do not end, are refused", async () => {
    for (const line of [
      "",
      id,
      `${id} `,
      `${id.slice(1)} refs/x`,
      `${id} refs/x peeled:1`,
      `${id.toUpperCase()} refs/x`,
    ]) {
      expect(() => parseReference(line)).toThrow(/cannot be read/);
    }
    await expect(parseReferences(packets(`${id} HEAD`), defaultLimits)).rejects.toThrow(/ended early/);
    await expect(parseReferences(packets("ERR no", flush), defaultLimits)).rejects.toThrow(/says: no/);
    fc.assert(
      fc.property(fc.string(), (line) => {
        try {
          parseReference(line);
        } catch (error) {
          expect(error).toMatchObject({ name: "GitError", code: "protocol" });
        }
      }),
    );
  });
});

describe("fetch", () => {
  const band = (channel: number, text: string): Packet => ({
    type: "data",
    payload: Buffer.concat([Buffer.of(channel), Buffer.from(text)]),
  });

  it("GE-003: asks for one commit, or whether two have something in common", async () => {
    const capabilities = ["command=fetch", "agent=git/sluice", "delimiter", "ofs-delta", "no-progress"];
    expect(await lines(formatFetch({ wants: [id], depth: 1, filter: "tree:0" }))).toEqual([
      ...capabilities,
      ...["deepen 1", "filter tree:0", `want ${id}`, "done", "flush"],
    ]);
    expect(await lines(formatFetch({ wants: [id], haves: [other] }))).toEqual([
      ...capabilities,
      ...[`want ${id}`, `have ${other}`, "flush"],
    ]);
  });

  it("GE-012: takes the pack out of its side band, whatever sections stand before it", async () => {
    const answer = [
      "shallow-info",
      `shallow ${id}`,
      delimiter,
      "packfile",
      band(2, "50%"),
      band(1, "PA"),
      band(1, ""),
      band(1, "CK"),
    ];
    expect((await buffer(packfileOf(packets(...answer, flush)))).toString()).toBe("PACK");
    await expect(buffer(packfileOf(packets(...answer)))).rejects.toThrow(/ended early/);
    await expect(buffer(packfileOf(packets("shallow-info", flush)))).rejects.toThrow(/ended early/);
  });

  it("GIT-015: ready is the server's word that every want has a common ancestor", async () => {
    expect(await parseReadiness(packets("acknowledgments", `ACK ${id}`, "ready", delimiter, "packfile"))).toBe(true);
    expect(await parseReadiness(packets("acknowledgments", `ACK ${id}`, flush))).toBe(false);
    expect(await parseReadiness(packets("acknowledgments", "NAK", flush))).toBe(false);
    expect(await parseReadiness(packets("packfile", band(1, "ready")))).toBe(false);
    expect(await parseReadiness(packets())).toBe(false);
  });
});
