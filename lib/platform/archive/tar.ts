/** One entry of an archive. The name is relative, in bytes, without `./` before or `/` behind it. */
export type TarEntry = { name: Buffer; type: "directory" | "file" | "executable"; size: number };

/** What ends an archive: two empty blocks. */
export const tarEnd = Buffer.alloc(1024);

const blockSize = 512;
/** ART-007: the same modes for everybody, and nothing of the time and place of writing. */
const modes = { directory: 0o750, file: 0o600, executable: 0o700 } as const;

/**
 * Writes the header of an entry, byte for byte as Go's archive/tar does for Flux (ART-006, ART-007): ustar where the name fits into
 * it, else a pax record before it. The content follows, and then `tarPadding`.
 */
export function formatTarHeader({ name, type, size }: TarEntry): Buffer {
  const typeFlag = type === "directory" ? "5" : "0";
  const numbers = { mode: modes[type], size };
  const split = splitName(name);
  if (split !== undefined) return header(split.suffix, split.prefix, typeFlag, numbers);
  const record = formatPaxRecord("path", name);
  const paxHeader = header(paxName(name), undefined, "x", { mode: 0, size: record.length });
  // Go leaves the device numbers of this one block empty.
  paxHeader.fill(0, 329, 345);
  writeChecksum(paxHeader);
  return Buffer.concat([
    paxHeader,
    record,
    tarPadding(record.length),
    header(ascii(name), undefined, typeFlag, numbers),
  ]);
}

/** The empty bytes that fill the last block of a content. */
export function tarPadding(size: number): Buffer {
  return Buffer.alloc((blockSize - (size % blockSize)) % blockSize);
}

/** A name's place in a ustar header: whole, or parted at a slash; undefined where it does not fit or is not ASCII. */
function splitName(name: Buffer): { prefix: Buffer | undefined; suffix: Buffer } | undefined {
  if (name.some((byte) => byte >= 0x80)) return undefined;
  if (name.length <= 100) return { prefix: undefined, suffix: name };
  const slash = name.subarray(0, 156).lastIndexOf("/");
  const suffix = name.subarray(slash + 1);
  if (slash <= 0 || suffix.length > 100 || suffix.length === 0) return undefined;
  return { prefix: name.subarray(0, slash), suffix };
}

function header(
  name: Buffer,
  prefix: Buffer | undefined,
  typeFlag: string,
  { mode, size }: { mode: number; size: number },
): Buffer {
  const block = Buffer.alloc(blockSize);
  name.copy(block, 0, 0, 100);
  // Some readers take a file for a directory by a slash at the end of this field, so Go lets none stand there.
  if (name.length > 100 && block[99] === 0x2f) block[99] = 0;
  writeOctal(block, 100, 8, mode);
  writeOctal(block, 108, 8, 0);
  writeOctal(block, 116, 8, 0);
  writeOctal(block, 124, 12, size);
  writeOctal(block, 136, 12, 0);
  block.write(typeFlag, 156, "latin1");
  block.write("ustar\u000000", 257, "latin1");
  writeOctal(block, 329, 8, 0);
  writeOctal(block, 337, 8, 0);
  prefix?.copy(block, 345);
  writeChecksum(block);
  return block;
}

function writeOctal(block: Buffer, offset: number, width: number, value: number): void {
  block.write(`${value.toString(8).padStart(width - 1, "0")}\u0000`, offset, "latin1");
}

function writeChecksum(block: Buffer): void {
  block.fill(" ", 148, 156);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, "0")}\u0000 `, 148, "latin1");
}

/** `<length of all of it> <key>=<value>\n` (pax, "pax Header Block"). */
function formatPaxRecord(key: string, value: Buffer): Buffer {
  const rest = key.length + value.length + 3;
  let length = rest + String(rest).length;
  length = rest + String(length).length;
  return Buffer.concat([Buffer.from(`${length} ${key}=`), value, Buffer.from("\n")]);
}

function paxName(name: Buffer): Buffer {
  const slash = name.lastIndexOf("/");
  const directory = slash < 0 ? Buffer.alloc(0) : name.subarray(0, slash + 1);
  const whole = Buffer.concat([directory, Buffer.from("PaxHeaders.0/"), name.subarray(slash + 1)]);
  const short = ascii(whole).subarray(0, 100);
  let end = short.length;
  while (end > 0 && short[end - 1] === 0x2f) end--;
  return short.subarray(0, end);
}

/** The bytes that a ustar header can hold. */
function ascii(name: Buffer): Buffer {
  return Buffer.from(name.filter((byte) => byte < 0x80 && byte !== 0));
}
