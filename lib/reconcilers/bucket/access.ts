import type { Bucket } from "../../api/bucket.ts";
import type { ObjectStore } from "../../bucket/object-store.ts";
import type { Context } from "../../engine/reconciler.ts";
import type { Endpoints } from "../../identity/identity.ts";
import type { Outbound } from "../../platform/outbound.ts";
import type { Json } from "../../platform/ports.ts";
import type { BucketSecrets } from "./secrets.ts";

/**
 * A bucket, and what distinguishes who asks it, and by which way: nobody is given what only another's credentials may read, or what only
 * another's proxy or authority has vouched for.
 */
export type BucketAccess = {
  store: ObjectStore;
  who: Json;
  /** Values that no message may hold (SEC-012). */
  secrets: readonly string[];
};

/** What a bucket's credentials are got with. */
export type AccessContext = Pick<
  Context,
  "clusterId" | "cluster" | "settings" | "awsCredentials" | "clock" | "signal" | "records" | "secrets" | "log"
> & {
  /** Addresses and an authority of clouds, for tests. */
  clouds?: { endpoints?: Endpoints; certificateAuthority?: string };
};

/** Opens the bucket of an object by one provider. Throws a sentence, or SourceFailure. */
export type OpenBucket = (object: Bucket, secrets: BucketSecrets, context: AccessContext) => Promise<BucketAccess>;

/** How servers are reached for which the object's own certificates are not meant. */
export function proxied({ proxy }: BucketSecrets, { clouds }: Pick<AccessContext, "clouds">): Outbound {
  const certificateAuthority = clouds?.certificateAuthority;
  return {
    ...(proxy === undefined ? {} : { proxy }),
    ...(certificateAuthority === undefined ? {} : { tls: { certificateAuthority } }),
  };
}

/** A value of a Secret as text; empty where there is none. */
export function textIn(data: ReadonlyMap<string, Buffer> | undefined, key: string): string {
  return data?.get(key)?.toString("utf8") ?? "";
}

/** How long before its end a credential is renewed, in milliseconds. */
const margin = 60_000;

/** Asks once for a credential for all requests of a pass, and again when it ends. A failure is not kept. */
export function whileValid<T extends { expiresAt?: Date }>(ask: () => Promise<T>): () => Promise<T> {
  let held: { credential: Promise<T>; until: number } | undefined;
  return () => {
    if (held !== undefined && held.until > Date.now()) return held.credential;
    const mine = { credential: ask(), until: Number.POSITIVE_INFINITY };
    held = mine;
    mine.credential.then(
      ({ expiresAt }) => {
        if (expiresAt !== undefined) mine.until = expiresAt.getTime() - margin;
      },
      () => {
        mine.until = 0;
      },
    );
    return mine.credential;
  };
}
