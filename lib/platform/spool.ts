import { closeSync, ftruncateSync, mkdtempSync, openSync, readSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate as turn } from "node:timers/promises";

/**
 * Bytes of a size that is not known before: in memory while they are few, beyond that in a file. The file has no name any more
 * when the first byte is written, so that it is gone with the process in every outcome (SN-007).
 */
export type Spool = {
  readonly size: number;
  /** Adds bytes, which must not change afterwards. Throws where the disk is full. */
  write(bytes: Buffer): void;
  /** The bytes from `start` to `end` or to where they end; they must not be changed. */
  read(start: number, end: number): Buffer;
  /** All bytes, in pieces. */
  stream(): AsyncGenerator<Buffer, void, undefined>;
  /** All bytes at once, or undefined where they are too many for memory. */
  whole(): Buffer | undefined;
  /** Frees memory and disk. Everything after it throws. */
  close(): void;
};

/** Bytes that the spools of this process together keep in memory, and one alone. */
const memoryTogether = 96 * 1024 * 1024;
const memoryOfOne = 48 * 1024 * 1024;
const pieceSize = 1024 * 1024;

let inMemory = 0;

/** Begins an empty spool. `memory` is how many bytes it may keep in memory, below the process's own bound. */
export function openSpool({ memory = memoryOfOne }: { memory?: number } = {}): Spool {
  let parts: Buffer[] = [];
  let joined: Buffer | undefined;
  let size = 0;
  let held = 0;
  let file: number | undefined;
  let closed = false;

  const checkOpen = (): void => {
    if (closed) throw new Error("what was spooled is gone");
  };
  const release = (): void => {
    parts = [];
    joined = undefined;
    inMemory -= held;
    held = 0;
  };
  const join = (): Buffer => {
    if (joined === undefined || joined.length !== size) {
      joined = parts.length === 1 && parts[0] !== undefined ? parts[0] : Buffer.concat(parts, size);
      parts = [joined];
    }
    return joined;
  };
  const read = (start: number, end: number): Buffer => {
    checkOpen();
    const until = Math.min(end, size);
    if (file === undefined) return join().subarray(start, until);
    const bytes = Buffer.allocUnsafe(Math.max(0, until - start));
    for (let at = 0; at < bytes.length; ) {
      const count = readSync(file, bytes, at, bytes.length - at, start + at);
      if (count === 0) throw new Error("what was spooled is shorter than it was");
      at += count;
    }
    return bytes;
  };

  return {
    get size() {
      return size;
    },
    write: (bytes) => {
      checkOpen();
      if (file === undefined && (size + bytes.length > memory || inMemory + bytes.length > memoryTogether)) {
        file = unnamedFile();
        for (const part of parts) writeAll(file, part);
        release();
      }
      if (file === undefined) {
        parts.push(bytes);
        held += bytes.length;
        inMemory += bytes.length;
      } else writeAll(file, bytes);
      size += bytes.length;
    },
    read,
    stream: async function* () {
      for (let at = 0; at < size; at += pieceSize) {
        yield read(at, at + pieceSize);
        await turn();
      }
    },
    whole: () => {
      checkOpen();
      return file === undefined ? join() : undefined;
    },
    close: () => {
      if (closed) return;
      closed = true;
      release();
      if (file === undefined) return;
      ftruncateSync(file);
      closeSync(file);
    },
  };
}

function unnamedFile(): number {
  const directory = mkdtempSync(join(tmpdir(), "sluice-"));
  try {
    return openSync(join(directory, "spool"), "wx+", 0o600);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function writeAll(file: number, bytes: Buffer): void {
  for (let at = 0; at < bytes.length; ) at += writeSync(file, bytes, at);
}
