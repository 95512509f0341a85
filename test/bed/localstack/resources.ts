import { CreateBucketCommand, S3Client } from "@aws-sdk/client-s3";
import { CreateSecretCommand, SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import { CreateQueueCommand, GetQueueAttributesCommand, SQSClient } from "@aws-sdk/client-sqs";
import { bedPart, uniqueName } from "../bed.ts";

/** A queue of a deployment, and where its dead letters go. */
export type QueuePair = { url: string; deadLettersUrl: string };

/** What a deployment consists of besides its functions, for tests that run the functions' code in their own process. */
export type AwsResources = {
  /** The variables that `lib/platform/aws` reads, as the deployment sets them for a function. */
  env: Record<string, string>;
  queues: Record<"source" | "apply" | "notification" | "delay", QueuePair>;
  /** Stores a secret as the deployment's `SecretReader` finds it. */
  putSecret(name: string, text: string): Promise<void>;
};

/** Seconds until a message that was taken and not deleted comes again. */
export const visibilitySeconds = 1;

/**
 * Makes a bucket, queues and secrets of the test's own in the run's LocalStack, like `infra/` does but with a short visibility
 * timeout, and points this process's AWS SDK at it.
 */
export async function createAwsResources(clusters: { id: string; kubeconfig: string }[]): Promise<AwsResources> {
  const aws = await bedPart("localstack");
  Object.assign(process.env, aws.env);
  const sqs = new SQSClient({});
  const secrets = new SecretsManagerClient({});
  const name = uniqueName("sluice");
  const putSecret = async (secret: string, text: string) => {
    await secrets.send(new CreateSecretCommand({ Name: `${name}/${secret}`, SecretString: text }));
  };
  await new S3Client({}).send(new CreateBucketCommand({ Bucket: name }));
  const queues = {
    source: await createQueuePair(sqs, `${name}-source`, true),
    apply: await createQueuePair(sqs, `${name}-apply`, true),
    notification: await createQueuePair(sqs, `${name}-notification`, false),
    delay: await createQueuePair(sqs, `${name}-delay`, false),
  };
  for (const { id, kubeconfig } of clusters) await putSecret(`cluster-${id}`, kubeconfig);
  return {
    queues,
    putSecret,
    env: {
      SLUICE_BUCKET: name,
      SLUICE_QUEUE_SOURCE: queues.source.url,
      SLUICE_QUEUE_APPLY: queues.apply.url,
      SLUICE_QUEUE_NOTIFICATION: queues.notification.url,
      SLUICE_QUEUE_DELAY: queues.delay.url,
      SLUICE_ENDPOINT: "https://front.example.org",
      SLUICE_SECRET_PREFIX: `${name}/`,
      SLUICE_CLUSTERS: JSON.stringify(
        clusters.map(({ id }) => ({ id, type: "kubeconfig", secret: `${name}/cluster-${id}` })),
      ),
    },
  };
}

async function createQueuePair(sqs: SQSClient, name: string, fifo: boolean): Promise<QueuePair> {
  const suffix = fifo ? ".fifo" : "";
  const kind = fifo
    ? { FifoQueue: "true", DeduplicationScope: "messageGroup", FifoThroughputLimit: "perMessageGroupId" }
    : undefined;
  const create = async (queueName: string, attributes: Record<string, string>) => {
    const { QueueUrl } = await sqs.send(
      new CreateQueueCommand({ QueueName: queueName + suffix, Attributes: { ...kind, ...attributes } }),
    );
    return QueueUrl ?? "";
  };
  const deadLettersUrl = await create(`${name}-dead-letters`, {});
  const { Attributes } = await sqs.send(
    new GetQueueAttributesCommand({ QueueUrl: deadLettersUrl, AttributeNames: ["QueueArn"] }),
  );
  const url = await create(name, {
    VisibilityTimeout: String(visibilitySeconds),
    RedrivePolicy: JSON.stringify({ deadLetterTargetArn: Attributes?.QueueArn, maxReceiveCount: 5 }),
  });
  return { url, deadLettersUrl };
}
