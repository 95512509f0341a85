/** Reads fields in SSH's wire format (RFC 4251, section 5) one after another. */
export type SshReader = {
  /** A string: its length in four bytes, then its bytes. */
  text(): Buffer;
  number(): number;
  bytes(count: number): Buffer;
  /** All that is left. */
  rest(): Buffer;
  /** Throws where something is left. */
  end(): void;
};

/** A reader at the first byte. Every method throws where a field is longer than what is left. */
export function sshReader(buffer: Buffer): SshReader {
  let at = 0;
  const bytes = (count: number): Buffer => {
    if (at + count > buffer.length) throw new Error("ssh: short read");
    at += count;
    return buffer.subarray(at - count, at);
  };
  const number = () => bytes(4).readUInt32BE(0);
  return {
    bytes,
    number,
    text: () => bytes(number()),
    rest: () => bytes(buffer.length - at),
    end: () => {
      if (at < buffer.length) throw new Error("ssh: trailing junk");
    },
  };
}
