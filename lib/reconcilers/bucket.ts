import type { Bucket, BucketStatus } from "../api/bucket.ts";
import { bucketRevision } from "../bucket/bucket-revision.ts";
import { fetchObjects, type Selection, selectObjects } from "../bucket/fetch-bucket.ts";
import type { KindReconciler } from "../engine/reconciler.ts";
import { type DigestAlgorithm, isDigestAlgorithm } from "../platform/artifact-digest.ts";
import type { Json } from "../platform/ports.ts";
import { messageOf } from "../text/error-message.ts";
import { parseGoDuration } from "../text/go-duration.ts";
import type { BucketAccess } from "./bucket/access.ts";
import { openAzure } from "./bucket/azure-access.ts";
import { copyIndex, earlierArtifact, indexKey, keepIndex, removeIndex } from "./bucket/earlier.ts";
import { openGcs } from "./bucket/gcs-access.ts";
import { openS3 } from "./bucket/s3-access.ts";
import { readBucketSecrets } from "./bucket/secrets.ts";
import { requireObjectIdentity } from "./source/provider-identity.ts";
import { shareCheck } from "./source/shared-check.ts";
import { storeShared } from "./source/shared-content.ts";
import { SharedWorkUnderWay, sharedKey } from "./source/shared-record.ts";
import { SourceFailure } from "./source/source-failure.ts";
import type { SourceKind, SourcePass, SourceResult } from "./source/source-kind.ts";
import { sourceReconciler } from "./source/source-reconciler.ts";

type BucketPass = SourcePass<BucketStatus, Bucket>;

/** What a listing says: the revision of all that is selected, and how many objects that is. */
type Listed = { revision: string; files: number };

/** Fetches the objects of a bucket and stores them as an archive (sources.md, sections 1, 3 and 11). */
const bucket: SourceKind<BucketStatus, Bucket> = {
  against: ["StorageOperationFailed", "FetchFailed", "ArtifactOutdated", "Stalled", "Reconciling"],
  recoveries: ["FetchFailed", "StorageOperationFailed"],
  clearsStorageFailure: "start",
  latest: "latest.tar.gz",
  failureOf: (error) => operationFailed(error, []),
  produce: async (pass) => {
    const access = await open(pass);
    try {
      return await sync(pass, access);
    } catch (error) {
      if (error instanceof SourceFailure || error instanceof SharedWorkUnderWay) throw error;
      throw operationFailed(error, access.secrets);
    }
  },
};

const life = sourceReconciler(bucket);

/** The life of a Bucket. */
export const bucketReconciler: KindReconciler = {
  ...life,
  finalize: async (object, context) => {
    await removeIndex(context, object);
    return life.finalize(object, context);
  },
};

/** Who asks which store (BKT-020 to BKT-031). Throws SourceFailure. */
async function open({ object, context }: BucketPass): Promise<BucketAccess> {
  const { provider = "generic" } = object.spec;
  if (provider !== "generic") requireObjectIdentity(context, object, "FetchFailed");
  try {
    const secrets = await readBucketSecrets(context, object);
    const openBucket = { generic: openS3, aws: openS3, azure: openAzure, gcp: openGcs }[provider];
    return await openBucket(object, secrets, context);
  } catch (error) {
    if (error instanceof SourceFailure) throw error;
    throw new SourceFailure("FetchFailed", "AuthenticationFailed", messageOf(error), { cause: error });
  }
}

/** BKT-003, BKT-004: looks what there is, and fetches it where that is not what is stored. */
async function sync(pass: BucketPass, { store, who }: BucketAccess): Promise<SourceResult> {
  const { object, context, status } = pass;
  const { bucketName, prefix = "", ignore } = object.spec;
  const algorithm = algorithmOf(status.artifact?.revision) ?? context.settings.artifactDigestAlgorithm;
  const source = { bucket: bucketName, prefix, ...(ignore === undefined ? {} : { ignore }) };
  const place = placeOf(object);
  const asked: Json = ["bucket", place, who, prefix, ignore ?? null];
  // What another proxy or other credentials gave under the same etags may be other content (SB-002).
  const origin = await sharedKey(context, "contents", ["bucket-index", place, who]);
  let selection: Selection | undefined;
  const select = async () => {
    selection = await selectObjects(store, source, limited(pass));
    return selection;
  };
  const found = await shareCheck(
    pass,
    [...asked, algorithm],
    async () => listed(etagsOf(await select()), algorithm),
    isListed,
  );
  if (found.revision === status.artifact?.revision) {
    pass.trace("ArtifactUpToDate", `artifact up-to-date with remote revision: '${found.revision}'`);
    return told(pass, found.files);
  }
  const configured = context.settings.artifactDigestAlgorithm;
  const mine = { etags: new Map<string, string>(), digest: "" };
  const facts = await storeShared(pass, {
    asked: [...asked, found.revision, configured],
    file: ({ revision }) => `${revision.slice(revision.indexOf(":") + 1)}.tar.gz`,
    isFacts: isFetched,
    fetch: async () => {
      const selected = selection ?? (await select());
      const earlier = await earlierArtifact(context, object, status.artifact, origin, selected);
      const { spool, digest, etags } = await fetchObjects(store, source, selected, earlier, limited(pass));
      Object.assign(mine, { etags, digest });
      return {
        bytes: spool,
        digest,
        facts: { ...(await listed(etags, configured)), index: indexKey(context.clusterId, object) },
      };
    },
    accept: async ({ revision, index }) => {
      pass.outdated("NewRevision", `new upstream revision '${revision}'`);
      pass.conditions.remove("FetchFailed");
      if (mine.etags.size > 0) await keepIndex(context, object, origin, mine.etags, mine.digest);
      else await copyIndex(context, object, index);
      return { revision };
    },
  });
  if (ignore === undefined) delete status.observedIgnore;
  else status.observedIgnore = ignore;
  return told(pass, facts.files);
}

/** BKT-011: listing and downloading have `spec.timeout` each, 60 s where it is absent, and neither outlasts the function. */
function limited({ object, context }: BucketPass): AbortSignal {
  const timeout = parseGoDuration(object.spec.timeout ?? "60s");
  return AbortSignal.any([context.signal, AbortSignal.timeout(timeout)]);
}

/** Which bucket it is, whoever asks. */
function placeOf({ spec }: Bucket): string {
  const { provider = "generic", endpoint, region = "", insecure = false, bucketName } = spec;
  return JSON.stringify([provider, provider === "gcp" ? "" : endpoint, region, insecure, bucketName]);
}

function etagsOf({ objects }: Selection): Map<string, string> {
  return new Map([...objects].map(([key, { etag }]) => [key, etag]));
}

async function listed(etags: ReadonlyMap<string, string>, algorithm: DigestAlgorithm): Promise<Listed> {
  return { revision: await bucketRevision(etags, algorithm), files: etags.size };
}

/** ART-011: a revision stays comparable after the algorithm has been changed. */
function algorithmOf(revision: string | undefined): DigestAlgorithm | undefined {
  const name = revision?.slice(0, Math.max(revision.indexOf(":"), 0)) ?? "";
  return isDigestAlgorithm(name) ? name : undefined;
}

function isListed(value: Json): value is Listed {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  return typeof value.revision === "string" && typeof value.files === "number";
}

function isFetched(value: Json): value is Listed & { index: string } {
  return isListed(value) && "index" in value && typeof value.index === "string";
}

/** ART-022, BKT-012. */
function told({ object, status }: BucketPass, files: number): SourceResult {
  const revision = status.artifact?.revision ?? "";
  return {
    inStorage: { reason: "Succeeded", message: `stored artifact: revision '${revision}'` },
    event: { message: `stored artifact with ${files} fetched files from '${object.spec.bucketName}' bucket` },
  };
}

/** SEC-012: a store may repeat what it was asked with. */
function operationFailed(error: unknown, secrets: readonly string[]): SourceFailure {
  // A shorter one is part of too many words, and none for a store to go by.
  const telling = secrets.filter(({ length }) => length >= 4);
  const words = telling.reduce((text, secret) => text.replaceAll(secret, "*****"), messageOf(error));
  return new SourceFailure("FetchFailed", "BucketOperationFailed", words, { cause: error });
}
