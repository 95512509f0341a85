/** Strings in SSH's wire format (RFC 4251): each behind its length in four bytes. */
export function sshWire(...parts: (string | Uint8Array)[]): Buffer {
  return Buffer.concat(
    parts.flatMap((part) => {
      const bytes = Buffer.from(part);
      const length = Buffer.alloc(4);
      length.writeUInt32BE(bytes.length);
      return [length, bytes];
    }),
  );
}

/** Reads strings in SSH's wire format one after another. Throws where one is longer than what is left. */
export function sshReader(bytes: Uint8Array): { text(): Buffer; number(): number; skip(count: number): void } {
  const buffer = Buffer.from(bytes);
  let at = 0;
  const number = () => {
    if (at + 4 > buffer.length) throw new Error("malformed SSH identity");
    const value = buffer.readUInt32BE(at);
    at += 4;
    return value;
  };
  const text = () => {
    const length = number();
    if (at + length > buffer.length) throw new Error("malformed SSH identity");
    at += length;
    return buffer.subarray(at - length, at);
  };
  const skip = (count: number) => {
    at += count;
  };
  return { text, number, skip };
}
