/** An entry of a tar archive. `type` is the type flag of its header: `0` a regular file, `5` a directory, `2` a symbolic link. */
export type TarEntry = { name: string; type: string; mode: number; content: Uint8Array };

const block = 512;
const end = Buffer.alloc(block);
/** Longest name or extended header that is read, in bytes. */
const headerLimit = 64 * 1024;

/**
 * The entries of an archive that is in memory whole (POSIX.1-2001 with its extended headers, GNU long names), in their order.
 * Contents are views into the archive, not copies. It is read at once and not as a stream because a pass opens many small files:
 * a stream for each of them costs fifteen times as much. Throws with a sentence where the archive is broken or cut off.
 */
export function* tarEntries(archive: Uint8Array): Generator<TarEntry> {
  const bytes = Buffer.from(archive.buffer, archive.byteOffset, archive.byteLength);
  let name: string | undefined;
  let size: number | undefined;
  for (let at = 0; at < bytes.length; ) {
    const header = bytes.subarray(at, at + block);
    if (header[0] === 0 && header.equals(end.subarray(0, header.length))) return;
    if (header.length < block) throw new Error("it ends within a header");
    verify(header);
    const type = String.fromCharCode(header[156] ?? 0).replace("\0", "0");
    const isExtension = "xgLK".includes(type);
    const length = isExtension ? readNumber(header, 124, 12) : (size ?? readNumber(header, 124, 12));
    const start = at + block;
    const content = bytes.subarray(start, start + length);
    if (content.length < length) throw new Error("it ends within a file");
    at = start + Math.ceil(length / block) * block;
    if (isExtension) {
      if (length > headerLimit) throw new Error(`an extended header is larger than ${headerLimit} bytes`);
      if (type === "L") name = readText(content, 0, length);
      if (type === "x") {
        const records = readRecords(content);
        name = records.get("path") ?? name;
        size = records.has("size") ? readSize(records.get("size")) : size;
      }
      continue;
    }
    yield { name: name ?? readName(header), type, mode: readNumber(header, 100, 8), content };
    name = undefined;
    size = undefined;
  }
}

/** The sum of a header's bytes, its own field taken as spaces. */
function verify(header: Buffer): void {
  let sum = 8 * 32;
  for (let index = 0; index < block; index++) if (index < 148 || index >= 156) sum += header[index] ?? 0;
  if (sum !== readNumber(header, 148, 8)) throw new Error("the checksum of a header does not match");
}

function readName(header: Buffer): string {
  const name = readText(header, 0, 100);
  const prefix = header.toString("latin1", 257, 263) === "ustar\0" ? readText(header, 345, 155) : "";
  return prefix === "" ? name : `${prefix}/${name}`;
}

function readText(bytes: Buffer, start: number, length: number): string {
  const end = bytes.subarray(start, start + length).indexOf(0);
  return bytes.toString("utf8", start, start + (end < 0 ? length : end));
}

/** A number in octal digits, or in base 256 where its first bit is set. */
function readNumber(header: Buffer, start: number, length: number): number {
  const field = header.subarray(start, start + length);
  if (((field[0] ?? 0) & 0x80) !== 0) {
    let value = (field[0] ?? 0) & 0x7f;
    for (const byte of field.subarray(1)) value = value * 256 + byte;
    return checkSize(value);
  }
  const digits = field.toString("latin1").replaceAll("\0", " ").trim();
  if (!/^[0-7]*$/.test(digits)) throw new Error("a number in a header is not octal");
  return checkSize(digits === "" ? 0 : Number.parseInt(digits, 8));
}

/** Records of an extended header: `<length> <key>=<value>\n`, the length in bytes and counting itself. */
function readRecords(content: Buffer): Map<string, string> {
  const records = new Map<string, string>();
  for (let at = 0; at < content.length; ) {
    const space = content.indexOf(0x20, at);
    const length = Number(content.toString("latin1", at, space));
    if (space < 0 || !Number.isInteger(length) || length <= space - at || at + length > content.length)
      throw new Error("an extended header is broken");
    const [key, ...value] = content.toString("utf8", space + 1, at + length - 1).split("=");
    if (key !== undefined) records.set(key, value.join("="));
    at += length;
  }
  return records;
}

function readSize(text: string | undefined): number {
  if (text === undefined || !/^[0-9]{1,15}$/.test(text)) throw new Error("a size in an extended header is no number");
  return Number(text);
}

function checkSize(value: number): number {
  if (!Number.isSafeInteger(value)) throw new Error("a number in a header is too large");
  return value;
}
