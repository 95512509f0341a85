import type { ObjectMeta } from "./object.ts";
import type { bucketSpec, bucketStatus } from "./schema/bucket.ts";
import type { TypeOf } from "./schema/field.ts";

/** `Bucket.spec`. */
export type BucketSpec = TypeOf<typeof bucketSpec>;

/** `Bucket.status`. */
export type BucketStatus = TypeOf<typeof bucketStatus>;

/** A bucket whose objects are offered as an artifact (sources.md, section 11). */
export type Bucket = {
  apiVersion: string;
  kind: "Bucket";
  metadata: ObjectMeta;
  spec: BucketSpec;
  status?: BucketStatus;
};
