import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { initTUF } from "@sigstore/tuf";

/** A TUF repository that offers a `trusted_root.json`, and what its metadata is trusted by: by default Sigstore's public one. */
export type TufRepository = { mirrorUrl: string; rootPath: string };

const target = "trusted_root.json";
/** Milliseconds of one request, which is repeated once, and of all of it. */
const patience = { request: 5_000, all: 25_000 };

/**
 * Fetches the trusted root by TUF, from the root of trust that the client ships with: each file is signed, not expired, and of the size and
 * digest that the signed ones name. Leaves nothing behind. Throws a sentence.
 */
export async function fetchTrustedRoot(repository?: TufRepository): Promise<Buffer> {
  const directory = await mkdtemp(join(tmpdir(), "sluice-tuf-"));
  const slow = new Promise<never>((_, reject) => {
    setTimeout(() => reject(new Error("it does not answer in time")), patience.all).unref();
  });
  try {
    const mirror = repository === undefined ? {} : { mirrorURL: repository.mirrorUrl, rootPath: repository.rootPath };
    const fetching = (async () => {
      const options = { ...mirror, cachePath: directory, retry: { retries: 1 }, timeout: patience.request };
      const client = await initTUF(options);
      return Buffer.from(await client.getTarget(target), "utf8");
    })();
    return await Promise.race([fetching, slow]);
  } catch (error) {
    throw new Error(wordsOf(error), { cause: error });
  } finally {
    await rm(directory, { recursive: true, force: true, maxRetries: 3 });
  }
}

function wordsOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause instanceof Error && error.cause.message !== "" ? `: ${error.cause.message}` : "";
  return `${error.message}${cause}`.replaceAll(/\p{Cc}+/gu, " ").slice(0, 500);
}
