import { Duration, type Stack } from "aws-cdk-lib";
import { DeduplicationScope, FifoThroughputLimit, Queue, QueueEncryption } from "aws-cdk-lib/aws-sqs";
import type { Config, Consumer } from "./config.ts";
import { constructId } from "./construct-id.ts";
import { timeoutSeconds } from "./functions.ts";

/** The queues by the name that `lib/platform/ports.ts` gives them, and the delay queue of what is not due yet. */
export const queueNames = ["source", "apply", "notification", "delay"] as const;
export type QueueName = (typeof queueNames)[number];
export type Queues = Record<QueueName, { queue: Queue; deadLetters: Queue }>;

/** Which function takes a queue's messages. */
export const consumerOf: Record<QueueName, Consumer> = {
  source: "source",
  apply: "apply",
  notification: "notify",
  delay: "timers",
};

/** Deliveries of a message before it is a dead letter: a poisoned one is found soon, a cluster's restart is outlived. */
const deliveries = 5;

/**
 * The queues, each with a dead-letter queue. Work is FIFO by message group, so that one object is worked on once at a time
 * (design, decision 3); throughput and de-duplication are per group, since objects have nothing to do with each other.
 * Notifications and delayed messages are unordered: a FIFO queue cannot delay a single message.
 *
 * Encrypted by SQS's own keys: a message names an object and a state, or is an event that the cluster shows to its
 * readers; a KMS key would add its price to each message. A message stays invisible for six timeouts of its function, as AWS
 * asks for event sources, so that one which waits for a free invocation is not delivered a second time meanwhile.
 */
export function createQueues(stack: Stack, config: Config): Queues {
  return {
    source: createQueue(stack, config, "source", true),
    apply: createQueue(stack, config, "apply", true),
    notification: createQueue(stack, config, "notification", false),
    delay: createQueue(stack, config, "delay", false),
  };
}

function createQueue(stack: Stack, config: Config, name: QueueName, fifo: boolean): Queues[QueueName] {
  const id = `${constructId(name)}Queue`;
  const common = {
    encryption: QueueEncryption.SQS_MANAGED,
    enforceSSL: true,
    retentionPeriod: Duration.days(14),
    ...(fifo
      ? {
          fifo,
          contentBasedDeduplication: false,
          deduplicationScope: DeduplicationScope.MESSAGE_GROUP,
          fifoThroughputLimit: FifoThroughputLimit.PER_MESSAGE_GROUP_ID,
        }
      : {}),
  };
  const deadLetters = new Queue(stack, `${id}DeadLetters`, common);
  const queue = new Queue(stack, id, {
    ...common,
    // What is older says nothing that the minute schedule has not found meanwhile.
    retentionPeriod: Duration.days(4),
    visibilityTimeout: Duration.seconds(config.visibilityFactor * timeoutSeconds[consumerOf[name]]),
    deadLetterQueue: { queue: deadLetters, maxReceiveCount: deliveries },
  });
  return { queue, deadLetters };
}
