import { applyDelta } from "./delta.ts";
import type { PackReader } from "./inflate.ts";
import type { ObjectType } from "./object-id.ts";

/** Where an object lies in the pack, and its content while that is kept in memory. */
export type Entry = {
  type: ObjectType;
  /** Of the object itself, after all deltas. */
  size: number;
  dataStart: number;
  /** Of what is stored: the object, or the delta on its base. */
  dataSize: number;
  base: Entry | undefined;
  chain: number;
  content: Buffer | undefined;
};

/** Larger blobs are read in pieces, and not kept. */
export const streamedSize = 16 * 1024 * 1024;

/** Keeps the contents that were unpacked last, up to a size in bytes: the next delta is mostly on one of them. */
export function keeperOf(limit: number): { keep(entry: Entry, content: Buffer): void; forget(): void } {
  let kept: Entry[] = [];
  let first = 0;
  let size = 0;
  return {
    keep: (entry, content) => {
      if (content.length > limit) return;
      entry.content = content;
      kept.push(entry);
      for (size += content.length; size > limit; first++) {
        const oldest = kept[first];
        size -= oldest?.size ?? 0;
        if (oldest !== undefined) oldest.content = undefined;
      }
    },
    forget: () => {
      for (const entry of kept) entry.content = undefined;
      kept = [];
      first = 0;
      size = 0;
    },
  };
}

/** Unpacks an entry that is not kept, from the nearest base that is; deltas are applied one after the other, never nested. */
export function contentOf(reader: PackReader, entry: Entry): Buffer {
  const deltas: Entry[] = [];
  let current = entry;
  while (current.content === undefined && current.base !== undefined) {
    deltas.push(current);
    current = current.base;
  }
  let content = current.content ?? reader.inflate(current.dataStart, current.dataSize).content;
  for (let delta = deltas.pop(); delta !== undefined; delta = deltas.pop()) {
    content = applyDelta(content, reader.inflate(delta.dataStart, delta.dataSize).content);
  }
  return content;
}

/** The content of an entry, in pieces where it is large. */
export async function* streamOf(reader: PackReader, entry: Entry): AsyncGenerator<Buffer, void, undefined> {
  if (entry.size <= streamedSize || entry.base !== undefined) yield contentOf(reader, entry);
  else yield* reader.pieces(entry.dataStart, entry.dataSize);
}
