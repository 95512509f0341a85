import { parseAdvertisement } from "../../../lib/git/capabilities.ts";
import { packfileOf, parseReadiness } from "../../../lib/git/fetch-pack.ts";
import { GitError } from "../../../lib/git/git-error.ts";
import { defaultLimits } from "../../../lib/git/limits.ts";
import { parseReferences } from "../../../lib/git/ls-refs.ts";
import { formatPacket, type Packet, packetLimit, parsePackets } from "../../../lib/git/pkt-line.ts";
import { olderPackfileOf, parseOlderReadiness } from "../../../lib/git/protocol-v0.ts";
import { isObjectId } from "../../../lib/git/reference.ts";
import { Broken, check, type Parser } from "../parser.ts";

const expects = (error: unknown): boolean => error instanceof GitError;
const limits = { ...defaultLimits, advertisement: 4096, references: 50 };
const id = "83baae61804e65cc73a7201a7252750c76066a30";
const words = [
  ...[
    "0000",
    "0001",
    "0002",
    "0003",
    "0004",
    "fff0",
    "fff1",
    "ffff",
    "ERR ",
    "\n",
    "\0",
    " ",
    "version 1",
    "version 2",
  ],
  ...["# service=git-upload-pack", "object-format=sha256", "ls-refs", "fetch=shallow", `peeled:${id}`, "unborn HEAD"],
  ...[
    "symref-target:refs/heads/main",
    "refs/heads/",
    "^{}",
    "capabilities^{}",
    "shallow ",
    "packfile",
    "acknowledgments",
  ],
  ...["ready", "NAK", `ACK ${id} ready`, "\x01", "\x02", "\x03", "PACK"],
];

async function* cut(bytes: Buffer, size: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function packetsOf(bytes: Buffer, size: number): Promise<{ packets: Packet[]; failure?: GitError }> {
  const packets: Packet[] = [];
  try {
    for await (const packet of parsePackets(cut(bytes, size))) packets.push(packet);
  } catch (error) {
    if (!(error instanceof GitError)) throw error;
    return { packets, failure: error };
  }
  return { packets };
}

function formatted(packets: readonly Packet[]): Buffer {
  return Buffer.concat(packets.map(formatPacket));
}

async function drain(parts: AsyncIterable<Buffer>): Promise<void> {
  for await (const part of parts) check(part.length <= packetLimit, "a part is longer than its packet");
}

/** Packets as they come off the wire, and the four answers that are made of them. */
export const gitProtocolParsers: readonly Parser[] = [
  {
    name: "pkt-line",
    cost: "cheap",
    words,
    expects,
    run: async (input) => {
      const whole = await packetsOf(input, input.length + 1);
      const pieces = await packetsOf(input, 1 + (input.length % 7));
      const bytes = formatted(whole.packets);
      check(bytes.equals(formatted(pieces.packets)), "how a stream is cut changes its packets");
      check(whole.failure?.message === pieces.failure?.message, "how a stream is cut changes what is wrong with it");
      const digits = /^[0-9A-F]{4}/;
      const same = bytes.equals(input.subarray(0, bytes.length)) || digits.test(input.toString("latin1").toUpperCase());
      check(same, "packets are not written as they were read");
      if (whole.failure === undefined) check(bytes.length === input.length, "bytes of the stream are in no packet");
      else throw whole.failure;
    },
  },
  {
    name: "advertisement",
    cost: "cheap",
    words,
    expects,
    run: async (input) => {
      const advertised = await parseAdvertisement(parsePackets(cut(input, 4096)), limits);
      if (advertised.version === 2) return;
      check(advertised.references.length <= limits.references, "there are more references than the limit");
      for (const reference of advertised.references) check(isObjectId(reference.id), "an id is none");
    },
  },
  {
    name: "ls-refs",
    cost: "cheap",
    words,
    expects,
    run: async (input) => {
      const references = await parseReferences(parsePackets(cut(input, 4096)), limits);
      check(references.length <= limits.references, "there are more references than the limit");
      for (const { id, name, peeled = id } of references)
        check(isObjectId(id) && isObjectId(peeled) && name !== "", "a reference is none");
    },
  },
  {
    name: "fetch-answer",
    cost: "cheap",
    words,
    expects,
    run: async (input) => {
      const failures: unknown[] = [];
      for (const read of [
        () => drain(packfileOf(parsePackets(cut(input, 4096)))),
        () => drain(olderPackfileOf(parsePackets(cut(input, 4096)))),
        () => parseReadiness(parsePackets(cut(input, 4096))),
        () => parseOlderReadiness(parsePackets(cut(input, 4096))),
      ]) {
        try {
          await read();
        } catch (error) {
          if (error instanceof Broken || !expects(error)) throw error;
          failures.push(error);
        }
      }
      if (failures.length === 4) throw failures[0];
    },
  },
];
