import { Duration, type Stack } from "aws-cdk-lib";
import { Alarm, ComparisonOperator, type IMetric, TreatMissingData } from "aws-cdk-lib/aws-cloudwatch";
import { SnsAction } from "aws-cdk-lib/aws-cloudwatch-actions";
import { Topic } from "aws-cdk-lib/aws-sns";
import { EmailSubscription } from "aws-cdk-lib/aws-sns-subscriptions";
import { type FunctionName, functionNames } from "./bundle.ts";
import type { Config } from "./config.ts";
import { constructId } from "./construct-id.ts";
import type { Deployed } from "./functions.ts";
import { type QueueName, type Queues, queueNames } from "./queues.ts";

/** How old a queue's oldest message may be, in seconds. Delayed messages are old by their nature, and wait 900 s at most. */
const oldest: Record<QueueName, number> = { source: 300, apply: 300, notification: 600, delay: 1200 };

const period = Duration.minutes(5);

/**
 * The alarms: a dead letter is lost work and always wrong; an old message means that work comes in faster than it is done;
 * errors are repeated, so only those that go on are told of; throttles mean that the account's concurrency is too small; and
 * without the schedule nothing that was lost is ever found.
 */
export function createAlarms(
  stack: Stack,
  config: Config,
  queues: Queues,
  functions: Record<FunctionName, Deployed>,
): Alarm[] {
  const alarm = (id: string, description: string, metric: IMetric, threshold: number, evaluationPeriods = 1) =>
    new Alarm(stack, `${id}Alarm`, {
      alarmName: `${config.name}-${id.replace(/(?<=[a-z])[A-Z]/g, (capital) => `-${capital}`).toLowerCase()}`,
      alarmDescription: description,
      metric,
      threshold,
      evaluationPeriods,
      comparisonOperator: ComparisonOperator.GREATER_THAN_THRESHOLD,
      treatMissingData: TreatMissingData.NOT_BREACHING,
    });
  const ofQueues = queueNames.flatMap((name) => {
    const { queue, deadLetters } = queues[name];
    const id = constructId(name);
    return [
      alarm(
        `${id}DeadLetters`,
        `The ${name} queue has given up on a message: read it in ${name}'s dead-letter queue, and why in the log.`,
        deadLetters.metricApproximateNumberOfMessagesVisible({ period, statistic: "Maximum" }),
        0,
      ),
      alarm(
        `${id}Age`,
        `The oldest message of the ${name} queue has waited for longer than ${oldest[name]} seconds.`,
        queue.metricApproximateAgeOfOldestMessage({ period, statistic: "Maximum" }),
        oldest[name],
      ),
    ];
  });
  const ofFunctions = functionNames.flatMap((name) => {
    const { lambda } = functions[name];
    const id = constructId(name);
    return [
      alarm(
        `${id}Errors`,
        `The ${name} function has failed in two periods in a row.`,
        lambda.metricErrors({ period }),
        0,
        2,
      ),
      alarm(
        `${id}Throttles`,
        `The ${name} function was throttled: its reserved or the account's concurrency is used up.`,
        lambda.metricThrottles({ period }),
        0,
      ),
    ];
  });
  const schedule = new Alarm(stack, "ScheduleSilentAlarm", {
    alarmName: `${config.name}-schedule-silent`,
    alarmDescription: "The schedule, which starts each minute, has hardly started in the last five.",
    metric: functions.schedule.lambda.metricInvocations({ period }),
    threshold: 3,
    evaluationPeriods: 1,
    comparisonOperator: ComparisonOperator.LESS_THAN_THRESHOLD,
    treatMissingData: TreatMissingData.BREACHING,
  });
  const alarms = [...ofQueues, ...ofFunctions, schedule];
  if (config.alarmEmail !== undefined) mail(stack, config.alarmEmail, alarms);
  return alarms;
}

/**
 * Not encrypted by KMS: CloudWatch cannot publish to a topic under AWS's own key, and an alarm names a queue and a number.
 */
function mail(stack: Stack, address: string, alarms: readonly Alarm[]): void {
  const topic = new Topic(stack, "Alarms", { displayName: "Sluice alarms", enforceSSL: true });
  topic.addSubscription(new EmailSubscription(address));
  const action = new SnsAction(topic);
  for (const alarm of alarms) {
    alarm.addAlarmAction(action);
    alarm.addOkAction(action);
  }
}
