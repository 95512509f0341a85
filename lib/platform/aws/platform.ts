import { S3Client } from "@aws-sdk/client-s3";
import { SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import { SQSClient } from "@aws-sdk/client-sqs";
import type { Clock, Platform } from "../ports.ts";
import { createArtifactStore } from "./artifact-store.ts";
import { clientOptions } from "./client-options.ts";
import { createClusterRegistry, parseClusters } from "./clusters.ts";
import { queueUrl, required } from "./environment.ts";
import { credentialsOf, type OwnIdentity } from "./identity.ts";
import { createLogger } from "./log.ts";
import { createWorkQueue } from "./queue.ts";
import { createRecordStore } from "./record-store.ts";
import { createSecretReader } from "./secrets.ts";

/**
 * The platform of a deployment on AWS, as its variables name it (docs/deploy-aws.md). Made once a process: it holds one
 * client for each service. `endpoint` is empty where SLUICE_ENDPOINT is absent, as in the front itself, which is what it names.
 * `identity` says as whom it asks AWS for what objects name: a function that does not say so has nobody.
 */
export function createAwsPlatform(
  env: NodeJS.ProcessEnv,
  { clock = { now: () => new Date() }, identity = "nobody" }: { clock?: Clock; identity?: OwnIdentity } = {},
): Platform {
  const s3 = new S3Client(clientOptions);
  const bucket = () => required(env, "SLUICE_BUCKET");
  const secrets = createSecretReader(new SecretsManagerClient(clientOptions), clock);
  return {
    artifacts: createArtifactStore(s3, bucket),
    records: createRecordStore(s3, bucket),
    queue: createWorkQueue(new SQSClient(clientOptions), (queue) => queueUrl(env, queue), clock),
    secrets: { read: (name) => secrets.read(`${env.SLUICE_SECRET_PREFIX ?? ""}${name}`) },
    clusters: createClusterRegistry(() => parseClusters(required(env, "SLUICE_CLUSTERS")), secrets, clock),
    clock,
    awsCredentials: credentialsOf(identity, env, clock),
    remoteClusters: (env.SLUICE_REMOTE_CLUSTERS ?? "").split(",").filter((arn) => arn !== ""),
    log: createLogger(),
    endpoint: env.SLUICE_ENDPOINT ?? "",
  };
}
