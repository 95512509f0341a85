import type { Json } from "../../platform/ports.ts";
import type { Spool } from "../../platform/spool.ts";
import { artifactKey } from "../artifact-storage.ts";
import { sharerName } from "./shared-check.ts";
import { awaitOrLease, keepLease, readShared, type Shared, sharedKey, writeShared } from "./shared-record.ts";
import type { NewArtifact, SourceObject, SourcePass, SourceStatus } from "./source-kind.ts";
import { storageFailure } from "./storage-failure.ts";

/** Content as it was fetched, and what must be known of it besides. `digest` is `sha256:<hex>` of the bytes. */
export type Fetched<F extends Json> = { bytes: Uint8Array | Spool; digest?: string; facts: F };

/** Content that this object is to store: its own fetch, or what another object of the same source has stored already. */
export type Content<F extends Json> =
  | ({ type: "fetched" } & Fetched<F>)
  | { type: "stored"; key: string; digest: string; size: number; facts: F };

/**
 * Fetches content once for all objects of the same source, and stores it as this object's artifact: `accept` says what it is
 * called, and throws where it is not to be stored (a signature that does not hold).
 */
export async function storeShared<F extends Json>(
  pass: SourcePass<SourceStatus, SourceObject>,
  {
    asked,
    file,
    fetch,
    isFacts,
    accept,
  }: {
    asked: Json;
    /** Its name may depend on what was fetched. */
    file: string | ((facts: F) => string);
    fetch: () => Promise<Fetched<F>>;
    isFacts: (value: Json) => value is F;
    accept: (facts: F) => Promise<NewArtifact>;
  },
): Promise<F> {
  const { content, told } = await shareContent(pass, asked, fetch, isFacts);
  const name = typeof file === "string" ? file : file(content.facts);
  try {
    const artifact = await accept(content.facts);
    const digest = content.digest === undefined ? {} : { digest: content.digest };
    await pass.store(name, content.type === "fetched" ? content.bytes : content, { ...artifact, ...digest });
  } catch (error) {
    await told(undefined);
    throw error;
  } finally {
    if (content.type === "fetched" && "close" in content.bytes) content.bytes.close();
  }
  const { digest = "", size = 0 } = pass.status.artifact ?? {};
  await told({ name, digest, size });
  return content.facts;
}

/**
 * Fetches content once for all objects that ask the same server for the same with the same credentials (SB-002, SB-005): the
 * first fetches, the others copy what it stored. `asked` names the server, the credentials, the revision and all options that
 * change the bytes. `told` ends what others wait for, when this object has stored the content under `file`, or failed to.
 * Throws SharedWorkUnderWay while another object is at it.
 */
async function shareContent<F extends Json>(
  pass: SourcePass<SourceStatus, SourceObject>,
  asked: Json,
  fetch: () => Promise<Fetched<F>>,
  isFacts: (value: Json) => value is F,
): Promise<{ content: Content<F>; told: (stored: StoredFile | undefined) => Promise<void> }> {
  const { context, object } = pass;
  const { records, artifacts, clock } = context;
  const key = await sharedKey(context, "contents", asked);
  const me = sharerName(context, object);
  let gone: string | undefined;
  for (;;) {
    const known = ({ value }: Shared) => storedOf(value, isFacts) !== undefined && JSON.stringify(value) !== gone;
    const { found, mine } = await awaitOrLease(context, key, me, known);
    const stored = mine ? undefined : storedOf(found.shared.value, isFacts);
    if (stored !== undefined) {
      const checksum = stored.digest.startsWith("sha256:");
      const head = await artifacts.head(stored.key, { checksum }).catch((error: unknown) => {
        throw storageFailure("StatOperationFailed", "failed to stat target artifact path", error);
      });
      const isWhole =
        head?.size === stored.size && (head.sha256 === undefined || `sha256:${head.sha256}` === stored.digest);
      if (isWhole) return { content: { type: "stored", ...stored }, told: async () => undefined };
      // Whoever stored it has something newer by now.
      gone = JSON.stringify(found.shared.value);
      continue;
    }
    const release = keepLease(context, key, me);
    const end = async (value: Json | undefined) => {
      await release();
      const current = await readShared(records, key);
      if (current.shared.lease?.by !== me) return;
      await writeShared(records, key, current, {
        ...(value === undefined ? {} : { value }),
        at: clock.now().getTime(),
        sharers: [],
      });
    };
    try {
      const fetched = await fetch();
      const told = (file: StoredFile | undefined) =>
        end(
          file === undefined
            ? undefined
            : { ...file, key: artifactKey(context.clusterId, object, file.name), facts: fetched.facts },
        );
      return { content: { type: "fetched", ...fetched }, told };
    } catch (error) {
      await end(undefined);
      throw error;
    }
  }
}

/** A file that an object has stored as its artifact. */
export type StoredFile = { name: string; digest: string; size: number };

function storedOf<F extends Json>(
  value: Json | undefined,
  isFacts: (value: Json) => value is F,
): { key: string; digest: string; size: number; facts: F } | undefined {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
  const { key, digest, size, facts } = value;
  if (typeof key !== "string" || typeof digest !== "string" || typeof size !== "number" || facts === undefined)
    return undefined;
  return isFacts(facts) ? { key, digest, size, facts } : undefined;
}
