import { describe, expect, it } from "vitest";
import { receivesBeforeDeadLetter } from "../lib/platform/local/queue.ts";
import { type FunctionName, functionNames } from "./bundle.ts";
import { constructId } from "./construct-id.ts";
import { timeoutSeconds } from "./functions.ts";
import { consumerOf, type QueueName, queueNames } from "./queues.ts";
import { propertiesOf, readable, resourcesOf, templateOf, templatesOf } from "./template.ts";

const template = templateOf();
const queueId = (name: QueueName) => `${constructId(name)}Queue`;
const queueOf = (name: QueueName, from = template) => propertiesOf(from, "AWS::SQS::Queue", queueId(name));
const functionOf = (name: FunctionName, from = template) =>
  propertiesOf(from, "AWS::Lambda::Function", constructId(name));

describe("the queues (BS-048)", () => {
  it.each(queueNames)("%s: is encrypted and has a dead-letter queue of its own kind", (name) => {
    const queue = queueOf(name);
    const deadLetters = propertiesOf(template, "AWS::SQS::Queue", `${queueId(name)}DeadLetters`);
    for (const each of [queue, deadLetters]) expect(each.SqsManagedSseEnabled).toBe(true);
    expect(readable(queue.RedrivePolicy)).toEqual({
      deadLetterTargetArn: `${queueId(name)}DeadLetters.Arn`,
      maxReceiveCount: receivesBeforeDeadLetter,
    });
    expect(deadLetters.FifoQueue).toBe(queue.FifoQueue);
    // A message takes its age along: the dead-letter queue must keep it longer than the queue that gave up on it.
    expect(deadLetters.MessageRetentionPeriod).toBeGreaterThan(Number(queue.MessageRetentionPeriod));
  });

  it("takes work in order of its group, and everything else in any order", () => {
    for (const name of ["source", "apply"] as const)
      expect(queueOf(name)).toMatchObject({
        FifoQueue: true,
        ContentBasedDeduplication: false,
        DeduplicationScope: "messageGroup",
        FifoThroughputLimit: "perMessageGroupId",
      });
    for (const name of ["notification", "delay"] as const) expect(queueOf(name)).not.toHaveProperty("FifoQueue");
  });

  it("refuses plain HTTP, on every queue", () => {
    const policies = Object.values(resourcesOf(template, "AWS::SQS::QueuePolicy")).map(({ Properties }) => Properties);
    expect(policies).toHaveLength(8);
    for (const policy of policies)
      expect(policy).toMatchObject({
        PolicyDocument: { Statement: [{ Effect: "Deny", Condition: { Bool: { "aws:SecureTransport": "false" } } }] },
      });
  });

  it.each(queueNames)("%s: hides a message for six timeouts of the function that has it", (name) => {
    expect(queueOf(name).VisibilityTimeout).toBe(6 * Number(functionOf(consumerOf[name]).Timeout));
  });

  it("hides a message at least as long as its function may take, which AWS demands, at the smallest factor", () => {
    const smallest = templateOf({ visibilityFactor: 1 });
    for (const name of queueNames)
      expect(queueOf(name, smallest).VisibilityTimeout).toBe(timeoutSeconds[consumerOf[name]]);
  });
});

describe("what starts a function", () => {
  const mappings = resourcesOf(template, "AWS::Lambda::EventSourceMapping");

  it.each(queueNames)("%s messages: one at a time where it is work, bounded, and each answered for itself", (name) => {
    const consumer = constructId(consumerOf[name]);
    const concurrency = { source: 20, apply: 50, notification: 10, delay: 5 }[name];
    expect(readable(mappings[`${consumer}Source`]?.Properties)).toEqual({
      EventSourceArn: `${queueId(name)}.Arn`,
      FunctionName: consumer,
      BatchSize: name === "delay" ? 10 : 1,
      FunctionResponseTypes: ["ReportBatchItemFailures"],
      ScalingConfig: { MaximumConcurrency: concurrency },
    });
  });

  it("the schedule: a rule each minute, whose missed start is not made up for", () => {
    const { Properties } = resourcesOf(template, "AWS::Events::Rule").EachMinute ?? {};
    expect(readable(Properties)).toMatchObject({
      ScheduleExpression: "rate(1 minute)",
      State: "ENABLED",
      Targets: [{ Arn: "Schedule.Arn", RetryPolicy: { MaximumRetryAttempts: 0, MaximumEventAgeInSeconds: 60 } }],
    });
  });

  it("SB-008, SB-009: pushes to what the deployment names, and to nothing else", () => {
    const registries = ["arn:aws:ecr:us-east-1:111111111111:repository/team/apps"];
    const named = templateOf({ sources: { registries, buckets: ["arn:aws:s3:::apps", "arn:aws:s3:::apps"] } });
    const { RegistryPushes, BucketChanges, ...others } = resourcesOf(named, "AWS::Events::Rule");
    expect(readable(RegistryPushes?.Properties)).toMatchObject({
      EventPattern: {
        source: ["aws.ecr"],
        "detail-type": ["ECR Image Action"],
        detail: { "action-type": ["PUSH"], result: ["SUCCESS"], "repository-name": ["team/apps"] },
      },
      Targets: [{ Arn: "Pushes.Arn", RetryPolicy: { MaximumRetryAttempts: 2 } }],
    });
    expect(readable(BucketChanges?.Properties)).toMatchObject({
      EventPattern: {
        source: ["aws.s3"],
        "detail-type": ["Object Created", "Object Deleted"],
        detail: { bucket: { name: ["apps"] } },
      },
      Targets: [{ Arn: "Pushes.Arn" }],
    });
    expect(Object.keys(others)).toEqual(["EachMinute"]);
    expect(Object.keys(resourcesOf(template, "AWS::Events::Rule"))).toEqual(["EachMinute"]);
  });

  it("the front: one URL without AWS's authentication, on the webhook alone", () => {
    const urls = Object.values(resourcesOf(template, "AWS::Lambda::Url")).map(({ Properties }) => readable(Properties));
    expect(urls).toEqual([{ AuthType: "NONE", TargetFunctionArn: "Webhook.Arn" }]);
    const open = Object.values(resourcesOf(template, "AWS::Lambda::Permission"))
      .map(({ Properties }) => readable(Properties))
      .filter((permission) => (permission as { Principal: string }).Principal === "*");
    expect(open).toEqual([
      expect.objectContaining({ Action: "lambda:InvokeFunctionUrl", FunctionName: "Webhook.Arn" }),
      expect.objectContaining({ Action: "lambda:InvokeFunction", InvokedViaFunctionUrl: true }),
    ]);
  });
});

describe("the functions", () => {
  it.each(functionNames)(
    "%s: runs Node 24 with a bounded time, an own log, and loops that AWS leaves alone",
    (name) => {
      expect(readable(functionOf(name))).toMatchObject({
        FunctionName: `sluice-${name}`,
        Handler: "index.handler",
        Runtime: "nodejs24.x",
        Timeout: timeoutSeconds[name],
        RecursiveLoop: "Allow",
        LoggingConfig: { LogGroup: `${constructId(name)}Log` },
      });
      const log = propertiesOf(template, "AWS::Logs::LogGroup", `${constructId(name)}Log`);
      expect(log).toEqual({ LogGroupName: `/aws/lambda/sluice-${name}`, RetentionInDays: 14 });
    },
  );

  it("renders on x86-64, with kubectl and helm; all else is arm64 and carries no layer", () => {
    for (const name of functionNames) {
      const { Architectures, Layers } = functionOf(name);
      expect([Architectures, readable(Layers)]).toEqual(
        name === "apply" ? [["x86_64"], ["Kubectl"]] : [["arm64"], undefined],
      );
    }
  });

  it("SN-007: unpack on a disk that holds more than memory, as large as the configuration says", () => {
    const set = templateOf({ temporaryStorage: { source: 6144 } });
    for (const name of functionNames) {
      const size = { source: 2048, apply: 1024 }[name as string];
      const expected = size === undefined ? undefined : { Size: size };
      expect(functionOf(name).EphemeralStorage).toEqual(expected);
      expect(functionOf(name, set).EphemeralStorage).toEqual(name === "source" ? { Size: 6144 } : expected);
    }
  });

  it("reserves concurrency, memory and logs as the configuration says", () => {
    const set = templateOf({
      name: "team-a",
      reservedConcurrency: { webhook: 20 },
      memory: { apply: 3008 },
      maximumConcurrency: { apply: 200 },
      logRetentionDays: 365,
      logLevel: "DEBUG",
    });
    expect(functionOf("webhook", set)).toMatchObject({
      FunctionName: "team-a-webhook",
      ReservedConcurrentExecutions: 20,
    });
    expect(functionOf("apply", set)).toMatchObject({ MemorySize: 3008 });
    expect(functionOf("apply", set)).not.toHaveProperty("ReservedConcurrentExecutions");
    const mapping = propertiesOf(set, "AWS::Lambda::EventSourceMapping", "ApplySource");
    expect(mapping.ScalingConfig).toEqual({ MaximumConcurrency: 200 });
    expect(propertiesOf(set, "AWS::Logs::LogGroup", "ApplyLog").RetentionInDays).toBe(365);
    expect(functionOf("apply", set).Environment).toMatchObject({ Variables: { POWERTOOLS_LOG_LEVEL: "DEBUG" } });
  });

  it("know the front by its address without a slash at the end, but the front itself, which is made before it", () => {
    const url = { "Fn::GetAtt": [expect.stringMatching(/^WebhookFunctionUrl/), "FunctionUrl"] };
    const endpoint = {
      "Fn::Join": [
        "//",
        [{ "Fn::Select": [0, { "Fn::Split": ["//", url] }] }, { "Fn::Select": [2, { "Fn::Split": ["/", url] }] }],
      ],
    };
    expect(functionOf("apply").Environment).toMatchObject({ Variables: { SLUICE_ENDPOINT: endpoint } });
    expect(functionOf("webhook").Environment).not.toHaveProperty("Variables.SLUICE_ENDPOINT");
    expect(template.Outputs).toMatchObject({ Endpoint: { Value: endpoint } });
  });
});

describe("alarms and dashboard (BS-048)", () => {
  const alarms = Object.values(resourcesOf(template, "AWS::CloudWatch::Alarm")).map(({ Properties }) => Properties);
  const watching = (metric: string) => alarms.filter(({ MetricName }) => MetricName === metric);
  const watched = (metric: string) =>
    watching(metric).map(({ Dimensions }) => {
      const [dimension] = readable(Dimensions) as { Value: string }[];
      return dimension?.Value;
    });

  it("tell of the first dead letter of each queue", () => {
    expect(watched("ApproximateNumberOfMessagesVisible")).toEqual(
      queueNames.map((name) => `${queueId(name)}DeadLetters.QueueName`),
    );
    for (const alarm of watching("ApproximateNumberOfMessagesVisible"))
      expect(alarm).toMatchObject({ Threshold: 0, ComparisonOperator: "GreaterThanThreshold", EvaluationPeriods: 1 });
  });

  it("tell of messages that wait too long, later than a delayed message may", () => {
    expect(watched("ApproximateAgeOfOldestMessage")).toEqual(queueNames.map((name) => `${queueId(name)}.QueueName`));
    expect(watching("ApproximateAgeOfOldestMessage").at(-1)?.Threshold).toBeGreaterThan(900);
  });

  it("tell of errors and throttles of each function", () => {
    for (const metric of ["Errors", "Throttles"]) expect(watched(metric)).toEqual(functionNames.map(constructId));
  });

  it("tell of a schedule that does not start, also where there is nothing to measure", () => {
    expect(readable(watching("Invocations"))).toEqual([
      expect.objectContaining({
        Dimensions: [{ Name: "FunctionName", Value: "Schedule" }],
        ComparisonOperator: "LessThanThreshold",
        Threshold: 3,
        Period: 300,
        TreatMissingData: "breaching",
      }),
    ]);
  });

  it("are mailed where an address is given, over TLS", () => {
    expect(alarms.every((alarm) => !("AlarmActions" in alarm))).toBe(true);
    const mailed = templateOf({ alarmEmail: "team@example.com" });
    for (const { Properties } of Object.values(resourcesOf(mailed, "AWS::CloudWatch::Alarm")))
      expect(readable(Properties.AlarmActions)).toEqual(["Alarms"]);
    expect(Object.values(resourcesOf(mailed, "AWS::SNS::Subscription"))[0]?.Properties).toMatchObject({
      Protocol: "email",
      Endpoint: "team@example.com",
    });
  });

  it("has one dashboard, which LocalStack alone goes without", () => {
    expect(Object.keys(resourcesOf(template, "AWS::CloudWatch::Dashboard"))).toHaveLength(1);
    const local = templateOf({ localstack: true });
    const types = (from: typeof template) => Object.values(from.Resources).map(({ Type }) => Type);
    expect(types(local)).toEqual(types(template).filter((type) => type !== "AWS::CloudWatch::Dashboard"));
  });
});

describe("a deployment", () => {
  it("is the same for the same sources and configuration (BS-048: a second deploy has no difference)", () => {
    const config = { clusters: [{ id: "prod", type: "eks", name: "prod", region: "eu-west-1" }] };
    expect(JSON.stringify(templatesOf(config))).toBe(JSON.stringify(templatesOf(config)));
  });

  it("may be synthesized before anybody knows where it goes", () => {
    expect(() => templateOf({}, { home: {} })).not.toThrow();
  });
});
