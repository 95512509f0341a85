import type { IncomingMessage } from "node:http";
import type { Readable } from "node:stream";
import { createGunzip } from "node:zlib";
import { GitError } from "./git-error.ts";

/** How bodies may be compressed (RFC 9110, 12.5.3): lists of references are half as long then (SB-003). */
export const acceptedEncoding = "gzip";

/**
 * An answer's body, decompressed where it is compressed (RFC 9110, 8.4), in pieces that have `limit` bytes at most together, as sent
 * and as decompressed. Whoever stops reading has still to end the answer. Throws GitError `too-large`, `protocol`, and `unreachable`
 * where the connection is lost.
 */
export async function* bodyOf(answer: IncomingMessage, limit: number): AsyncGenerator<Buffer, void, undefined> {
  const { body, release } = decompressed(answer, limit);
  let size = 0;
  try {
    for await (const chunk of body.iterator({ destroyOnReturn: false })) {
      size += chunk.length;
      if (size > limit) throw tooLarge(limit);
      yield chunk;
    }
  } catch (error) {
    if (error instanceof GitError || (error instanceof Error && error.name === "AbortError")) throw error;
    if (error instanceof Error && "code" in error && String(error.code).startsWith("Z_"))
      throw new GitError("protocol", "the server's answer is compressed and cannot be read", { cause: error });
    throw new GitError("unreachable", "the connection was lost in the middle of the server's answer", { cause: error });
  } finally {
    release();
  }
}

function decompressed(answer: IncomingMessage, limit: number): { body: Readable; release: () => void } {
  const encoding = (answer.headers["content-encoding"] ?? "").trim().toLowerCase();
  if (encoding === "" || encoding === "identity") return { body: answer, release: () => undefined };
  if (encoding !== "gzip" && encoding !== "x-gzip") {
    answer.destroy();
    throw new GitError("protocol", `the server's answer is compressed by ${JSON.stringify(encoding.slice(0, 40))}`);
  }
  const gunzip = createGunzip();
  let sent = 0;
  const count = (chunk: Buffer): void => {
    sent += chunk.length;
    // What decompresses to nothing is not seen behind the decompression.
    if (sent > limit) gunzip.destroy(tooLarge(limit));
  };
  const lost = (): void => {
    if (!answer.complete) gunzip.destroy(new Error("aborted"));
  };
  const failed = (error: Error): void => {
    gunzip.destroy(error);
  };
  answer.on("data", count).on("error", failed).on("close", lost);
  answer.pipe(gunzip);
  const release = (): void => {
    answer.unpipe(gunzip);
    answer.off("data", count).off("close", lost);
    gunzip.destroy();
  };
  return { body: gunzip, release };
}

function tooLarge(limit: number): GitError {
  return new GitError("too-large", `the server's answer is larger than ${limit} bytes`);
}
