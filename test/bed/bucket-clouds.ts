import type { Bucket, BucketSpec } from "../../lib/api/bucket.ts";
import { type Selection, selectObjects } from "../../lib/bucket/fetch-bucket.ts";
import { connect } from "../../lib/cluster/connect.ts";
import { parseSettings } from "../../lib/engine/settings.ts";
import type { AccessContext, BucketAccess, OpenBucket } from "../../lib/reconcilers/bucket/access.ts";
import type { BucketSecrets } from "../../lib/reconcilers/bucket/secrets.ts";
import { bedCluster, uniqueNamespace } from "./bed.ts";
import { type CloudAnswer, type CloudRequestSeen, type CloudService, startCloudService } from "./cloud-service.ts";
import { openTestPlatform } from "./local-platform.ts";

/** Stands for every secret: no message may hold it. */
export const canary = "c4n4ry";

const signal = AbortSignal.timeout(120_000);

/** The object stores of clouds on this machine, and who asks them. */
export type BucketClouds = {
  seen: CloudRequestSeen[];
  /** `<method> <host><path>` of each request, in order. */
  asked(): string[];
  /** What each host answers; one that is absent answers 404. */
  answers: Record<string, (request: CloudRequestSeen) => CloudAnswer | undefined>;
  /** Makes a ServiceAccount. */
  account(name: string, annotations: Record<string, string>): Promise<void>;
  /** Opens a bucket as the reconciler does, through a proxy of the object that leads to what stands in for the clouds. */
  access(
    openBucket: OpenBucket,
    spec: Partial<BucketSpec>,
    secrets?: BucketSecrets,
    context?: Partial<AccessContext>,
  ): Promise<BucketAccess>;
  close(): Promise<void>;
};

/** Starts them, with a namespace for ServiceAccounts. The gate of `serviceAccountName` is open, and no token is kept. */
export async function openBucketClouds(hosts: string[]): Promise<BucketClouds> {
  const { kubeconfig } = await bedCluster();
  const cluster = connect({ type: "kubeconfig", kubeconfig }, { userAgent: "test", trusted: true });
  const namespace = await uniqueNamespace("bucket-access");
  const clouds: CloudService = await startCloudService(hosts, (request) => opened.answers[request.host]?.(request));
  const bed = await openTestPlatform("test", { kubeconfig });
  const opened: BucketClouds = {
    seen: clouds.seen,
    asked: () => clouds.seen.map(({ method, host, path }) => `${method} ${host}${path}`),
    answers: {},
    account: async (name, annotations) => {
      const body = { apiVersion: "v1", kind: "ServiceAccount", metadata: { name, annotations } };
      await cluster.request({ method: "POST", path: `/api/v1/namespaces/${namespace}/serviceaccounts`, body });
    },
    access: (openBucket, spec, secrets = {}, context = {}) => {
      const named = secrets.own === undefined ? {} : { secretRef: { name: "keys" } };
      const object: Bucket = {
        apiVersion: "source.toolkit.fluxcd.io/v1",
        kind: "Bucket",
        metadata: { name: "app", namespace },
        spec: { bucketName: "bucket", endpoint: "minio.test", interval: "1m", ...named, ...spec },
      };
      const { records, secrets: own, log } = bed.platform;
      const { proxy, tls } = clouds.outbound;
      const flags = ["--feature-gates=ObjectLevelWorkloadIdentity=true", "--token-cache-max-size=0"];
      const settings = parseSettings(flags, "flux-system", log);
      return openBucket(
        object,
        { proxy, tls, ...secrets },
        {
          ...{ cluster, clusterId: "test", signal, clock: { now: () => new Date() }, settings, records, log },
          ...{ secrets: own, awsCredentials: undefined, clouds: tls, ...context },
        },
      );
    },
    close: async () => {
      await bed.close();
      await clouds.stop();
    },
  };
  return opened;
}

/** The data of a Secret. */
export function secretData(values: Record<string, string>): Map<string, Buffer> {
  return new Map(Object.entries(values).map(([key, value]) => [key, Buffer.from(value)]));
}

/** What is in the bucket now. */
export function selected({ store }: BucketAccess): Promise<Selection> {
  return selectObjects(store, { bucket: "bucket", prefix: "" }, signal);
}

/** The error that something ends with. Rejects where it does not, or where the message holds a secret. */
export async function failureOf(work: Promise<unknown>): Promise<Error> {
  const error: unknown = await work.catch((reason: unknown) => reason);
  if (!(error instanceof Error)) throw new Error("it does not fail");
  if (error.message.includes(canary)) throw new Error(`the message holds a secret: ${error.message}`);
  return error;
}
