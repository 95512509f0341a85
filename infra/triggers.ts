import { Duration, type Stack } from "aws-cdk-lib";
import { Rule, Schedule } from "aws-cdk-lib/aws-events";
import { LambdaFunction as LambdaTarget } from "aws-cdk-lib/aws-events-targets";
import { EventSourceMapping } from "aws-cdk-lib/aws-lambda";
import type { FunctionName } from "./bundle.ts";
import type { Config } from "./config.ts";
import type { Deployed } from "./functions.ts";
import { consumerOf, type Queues, queueNames } from "./queues.ts";

/**
 * Feeds each queue's messages to its function. Work comes one message at a time: one object that fails must not hold up or
 * repeat another. Delayed messages only pass through, ten at a time. The maximum concurrency is kept by the pollers, so
 * that a burst waits in the queue instead of being throttled and counted towards the dead letters.
 */
export function connectQueues(
  stack: Stack,
  config: Config,
  queues: Queues,
  functions: Record<FunctionName, Deployed>,
): void {
  for (const name of queueNames) {
    const consumer = consumerOf[name];
    const { lambda } = functions[consumer];
    new EventSourceMapping(stack, `${lambda.node.id}Source`, {
      target: lambda,
      eventSourceArn: queues[name].queue.queueArn,
      batchSize: name === "delay" ? 10 : 1,
      maxConcurrency: config.maximumConcurrency[consumer],
      reportBatchItemFailures: true,
    });
  }
}

/**
 * Starts the schedule each minute (design, decision 6). A start that fails is not repeated: the next minute finds what it
 * did not, and a late one would find it twice.
 */
export function startEachMinute(stack: Stack, config: Config, schedule: Deployed): void {
  new Rule(stack, "EachMinute", {
    ruleName: `${config.name}-each-minute`,
    description: "Sluice: enqueues what is due within the minute",
    schedule: Schedule.rate(Duration.minutes(1)),
    targets: [new LambdaTarget(schedule.lambda, { retryAttempts: 0, maxEventAge: Duration.minutes(1) })],
  });
}

/**
 * Tells of pushes to the repositories in ECR and of objects in the buckets that the deployment names (SB-008, SB-009). Both services tell the account
 * and region that they are in, so that what is elsewhere waits for its interval; a bucket tells if its owner has let it. A start that
 * fails is made up for twice, within the hour.
 */
export function startOnPushes(stack: Stack, config: Config, pushes: Deployed): void {
  const { registries, buckets } = config.sources;
  const target = () => new LambdaTarget(pushes.lambda, { retryAttempts: 2, maxEventAge: Duration.hours(1) });
  if (registries.length > 0)
    new Rule(stack, "RegistryPushes", {
      ruleName: `${config.name}-registry-pushes`,
      description: "Sluice: looks at the sources of what was pushed to ECR",
      eventPattern: {
        source: ["aws.ecr"],
        detailType: ["ECR Image Action"],
        detail: {
          "action-type": ["PUSH"],
          result: ["SUCCESS"],
          "repository-name": [...new Set(registries.map((arn) => arn.slice(arn.indexOf("/") + 1)))],
        },
      },
      targets: [target()],
    });
  if (buckets.length > 0)
    new Rule(stack, "BucketChanges", {
      ruleName: `${config.name}-bucket-changes`,
      description: "Sluice: looks at the sources of buckets whose objects came or went",
      eventPattern: {
        source: ["aws.s3"],
        detailType: ["Object Created", "Object Deleted"],
        detail: { bucket: { name: [...new Set(buckets.map((arn) => arn.slice(arn.lastIndexOf(":") + 1)))] } },
      },
      targets: [target()],
    });
}
