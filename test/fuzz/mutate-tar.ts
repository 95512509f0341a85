import { gzipSync } from "node:zlib";
import { mutate } from "./mutate.ts";
import type { Random } from "./random.ts";

const block = 512;
/** Offset and length of the fields of a header (POSIX ustar). */
const fields = {
  name: [0, 100],
  mode: [100, 8],
  size: [124, 12],
  modified: [136, 12],
  type: [156, 1],
  link: [157, 100],
  magic: [257, 8],
  prefix: [345, 155],
} as const;

const names = [
  ...[
    "../x",
    "/etc/passwd",
    "a/../../b",
    "./",
    ".",
    "",
    "a\\..\\b",
    "C:/x",
    "a//b",
    "x/Chart.yaml",
    "Chart.yaml",
    "x/./y",
  ],
  ...["x/../y", "x/..", "\xff\xfe", "a\0b", "x/charts/a.tgz", "x/templates/", "pax_global_header", "././@LongLink"],
];
const sizes = [
  "00000000000",
  "00000000001",
  "77777777777",
  "00000001000",
  "99999999999",
  "-0000000001",
  "           ",
  "0x1",
];
const types = ["0", "\0", "1", "2", "3", "5", "6", "7", "g", "x", "L", "K", "S", "D", "V", "Z"];
const records = [
  "20 path=../../x\n",
  "12 size=-1\n",
  "22 size=99999999999999\n",
  "9999 path=x\n",
  "-5 a=b\n",
  "path=x\n",
  "0 \n",
  "11 size=nan\n",
];

/**
 * A tar out of others: fields of its headers changed and their sums mended, blocks repeated, moved and taken out, records of PAX
 * and long names made extreme; or bytes anywhere.
 */
export function mutateTar(corpus: readonly Buffer[], words: readonly string[], random: Random): Buffer {
  if (random.below(6) === 0) return mutate(corpus, words, random);
  let tar: Buffer = Buffer.from(random.pick(corpus));
  for (let rounds = 1 + random.below(3); rounds > 0; rounds--) tar = mutateOnce(tar, corpus, random);
  return tar.subarray(0, 32 * block);
}

function mutateOnce(tar: Buffer, corpus: readonly Buffer[], random: Random): Buffer {
  const headers = headersOf(tar);
  if (headers.length === 0) return mutate(corpus, [], random);
  const at = random.pick(headers);
  const blockAt = block * random.below(Math.ceil(tar.length / block) + 1);
  switch (random.below(8)) {
    case 0:
    case 1:
    case 2: {
      const [start, length] = random.pick(Object.values(fields));
      const isSize = start === fields.size[0];
      const choice = start === fields.type[0] ? types : isSize ? sizes : names;
      if (random.below(3) > 0)
        tar.fill(0, at + start, at + start + length).write(random.pick(choice), at + start, length, "latin1");
      else mutate([tar.subarray(at + start, at + start + length)], [], random).copy(tar, at + start, 0, length);
      break;
    }
    case 3: {
      const other = random.pick(corpus);
      const from = block * random.below(other.length / block + 1);
      const part = other.subarray(from, from + block * (1 + random.below(4)));
      tar = Buffer.concat([tar.subarray(0, blockAt), part, tar.subarray(blockAt)]);
      break;
    }
    case 4:
      tar = Buffer.concat([tar.subarray(0, blockAt), tar.subarray(blockAt + block)]);
      break;
    case 5:
      tar = tar.subarray(0, random.below(tar.length + 1));
      break;
    case 6: {
      // Records of PAX, or a long name, before an entry.
      const text =
        random.below(2) === 0
          ? mutate([Buffer.from(random.pick(records))], records, random)
          : Buffer.from(random.pick(names));
      const content = Buffer.alloc(block);
      text.copy(content, 0, 0, block);
      const header = Buffer.alloc(block);
      header.write("pax");
      header.write("0000644\0", fields.mode[0]);
      header.write(
        random.below(8) === 0 ? random.pick(sizes) : text.length.toString(8).padStart(11, "0"),
        fields.size[0],
      );
      header.write(random.pick(["x", "g", "L", "K"]), fields.type[0]);
      header.write("ustar\0" + "00", fields.magic[0]);
      tar = Buffer.concat([tar.subarray(0, at), summed(header), content, tar.subarray(at)]);
      break;
    }
    default:
      tar = mutate([tar], [], random);
  }
  for (const header of headersOf(tar)) summed(tar.subarray(header, header + block));
  return tar;
}

/** Where blocks are that look like headers. */
function headersOf(tar: Buffer): number[] {
  const found: number[] = [];
  for (let at = 0; at + block <= tar.length; at += block)
    if (tar.toString("latin1", at + 257, at + 262) === "ustar") found.push(at);
  return found;
}

function summed(header: Buffer): Buffer {
  header.fill(0x20, 148, 156);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
  return header;
}

/** The same, packed; sometimes what is packed is changed as well. */
export function mutateTarGz(corpus: readonly Buffer[], words: readonly string[], random: Random): Buffer {
  const packed = gzipSync(mutateTar(corpus, words, random), { level: 1 });
  return random.below(8) === 0 ? mutate([packed], words, random) : packed;
}
