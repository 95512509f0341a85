import { Duration, type Stack } from "aws-cdk-lib";
import { type Alarm, AlarmStatusWidget, Dashboard, GraphWidget, type IMetric } from "aws-cdk-lib/aws-cloudwatch";
import { type FunctionName, functionNames } from "./bundle.ts";
import type { Config } from "./config.ts";
import type { Deployed } from "./functions.ts";
import { type Queues, queueNames } from "./queues.ts";

const period = Duration.minutes(1);

/** One page that answers, from left to right: is anything wrong, is work waiting, how long does it take, what does it cost. */
export function createDashboard(
  stack: Stack,
  config: Config,
  queues: Queues,
  functions: Record<FunctionName, Deployed>,
  alarms: readonly Alarm[],
): void {
  const graph = (title: string, left: IMetric[], label: string) =>
    new GraphWidget({ title, left, width: 12, height: 6, leftYAxis: { min: 0, label, showUnits: false } });
  const each = (metric: (deployed: Deployed) => IMetric) => functionNames.map((name) => metric(functions[name]));
  const dashboard = new Dashboard(stack, "Dashboard", { dashboardName: `${config.name}-${stack.region}` });
  dashboard.addWidgets(new AlarmStatusWidget({ title: "Alarms", alarms: [...alarms], width: 24, height: 4 }));
  dashboard.addWidgets(
    graph(
      "Messages waiting",
      queueNames.map((name) => queues[name].queue.metricApproximateNumberOfMessagesVisible({ period, label: name })),
      "messages",
    ),
    graph(
      "Age of the oldest message",
      queueNames.map((name) => queues[name].queue.metricApproximateAgeOfOldestMessage({ period, label: name })),
      "seconds",
    ),
  );
  dashboard.addWidgets(
    graph(
      "Duration, 99 of 100",
      each(({ name, lambda }) => lambda.metricDuration({ period, statistic: "p99", label: name })),
      "milliseconds",
    ),
    graph(
      "Invocations",
      each(({ name, lambda }) => lambda.metricInvocations({ period, label: name })),
      "each minute",
    ),
  );
  dashboard.addWidgets(
    graph(
      "Errors",
      each(({ name, lambda }) => lambda.metricErrors({ period, label: name })),
      "each minute",
    ),
    graph(
      "Dead letters",
      queueNames.map((name) =>
        queues[name].deadLetters.metricApproximateNumberOfMessagesVisible({ period, label: name }),
      ),
      "messages",
    ),
  );
}
