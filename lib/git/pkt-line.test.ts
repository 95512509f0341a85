import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { formatPacket, type Packet, packetLimit, parsePackets, textOf, textPacket } from "./pkt-line.ts";

async function parsed(chunks: readonly Uint8Array[]): Promise<Packet[]> {
  const packets: Packet[] = [];
  for await (const packet of parsePackets(from(chunks))) packets.push(packet);
  return packets;
}

async function* from(chunks: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* chunks;
}

const packet: fc.Arbitrary<Packet> = fc.oneof(
  fc.uint8Array({ maxLength: 300 }).map((bytes): Packet => ({ type: "data", payload: Buffer.from(bytes) })),
  fc.constantFrom<Packet>({ type: "flush" }, { type: "delimiter" }, { type: "end" }),
);

describe("pkt-line", () => {
  it("GE-001: what is written is read, however the stream is cut", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(packet, { maxLength: 20 }),
        fc.array(fc.nat(), { maxLength: 10 }),
        async (packets, cuts) => {
          const bytes = Buffer.concat(packets.map(formatPacket));
          const ends = [...cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
          const chunks = ends.map((end, index) => bytes.subarray(ends[index - 1] ?? 0, end));
          expect(await parsed(chunks)).toEqual(packets);
        },
      ),
    );
  });

  it("GE-001: text may end with a line feed, special packets are no text", () => {
    expect(formatPacket(textPacket("a")).toString()).toBe("0006a\n");
    expect(textOf({ type: "data", payload: Buffer.from("a\n") })).toBe("a");
    expect(textOf({ type: "data", payload: Buffer.from("a") })).toBe("a");
    expect(textOf({ type: "flush" })).toBeUndefined();
  });

  it.each(["<!DO", "0003", "fff5", "+001", "0x01"])("GE-018: the length %j is none", async (length) => {
    await expect(parsed([Buffer.from(`${length}${"x".repeat(70_000)}`)])).rejects.toThrow(/invalid pkt-len/);
  });

  it("GE-001: a stream that ends within a packet is an error, and a packet has its limit", async () => {
    await expect(parsed([Buffer.from("0009ab")])).rejects.toThrow(/middle of a packet/);
    await expect(parsed([Buffer.from("00")])).rejects.toThrow(/middle of a packet/);
    expect(() => formatPacket({ type: "data", payload: Buffer.alloc(packetLimit + 1) })).toThrow(RangeError);
    expect(
      formatPacket({ type: "data", payload: Buffer.alloc(packetLimit) })
        .subarray(0, 4)
        .toString(),
    ).toBe("fff0");
  });
});
