import { type App, Stack, Validations } from "aws-cdk-lib";
import { Queue } from "aws-cdk-lib/aws-sqs";
import { describe, expect, it } from "vitest";
import { templatesOf } from "./template.ts";

const everything = {
  sources: {
    repositories: ["arn:aws:codecommit:us-east-1:111111111111:apps"],
    registries: ["arn:aws:ecr:us-east-1:111111111111:repository/team/apps"],
    buckets: ["arn:aws:s3:::apps"],
  },
  alarmEmail: "team@example.com",
  reservedConcurrency: { webhook: 20 },
  clusters: [
    { id: "prod", type: "eks", name: "prod" },
    { id: "europe", type: "eks", name: "prod", region: "eu-central-1" },
    { id: "edge", type: "kubeconfig", secret: "edge/kubeconfig" },
  ],
};

describe("cdk-nag's AWS Solutions pack", () => {
  it.each([
    ["the smallest deployment", {}],
    ["a deployment with everything", everything],
    ["the deployment on LocalStack", { localstack: true }],
    [
      "a deployment in a network",
      { network: { subnets: ["subnet-0123456789abcdef0"], securityGroups: ["sg-0123456789abcdef0"] } },
    ],
  ])("has nothing against %s that is not explained", (_, config) => {
    expect(() => templatesOf(config)).not.toThrow();
  });

  it("fails the synthesis for a resource that nobody has explained", () => {
    const extend = (app: App) => {
      const [stack] = app.node.findAll().filter((construct) => Stack.isStack(construct));
      if (Stack.isStack(stack)) new Queue(stack, "Open");
    };
    expect(() => templatesOf({}, { extend })).toThrow("AwsSolutions-SQS3");
  });

  it("has been answered for these findings alone, each with a reason", () => {
    const answers: { at: string; rule: string; reason: string }[] = [];
    templatesOf(everything, { extend: (app) => answers.push(...answersIn(app)) });
    expect(answers.map(({ at, rule }) => `${at} ${rule.replace(/[0-9A-F]{8}/, "")}`)).toEqual([
      "sluice/Bucket AwsSolutions-S1",
      "sluice/AdmissionSeed AwsSolutions-SMG4",
      ...[
        "WebhookRole artifacts",
        "WebhookRole artifacts/held-webhooks",
        "WebhookRole records/latest",
        "WebhookRole records/receivers",
        "SourceRole artifacts",
        ...["checks", "contents", "history", "latest", "receivers", "sigstore", "tokens", "verified-by", "waiting"].map(
          (prefix) => `SourceRole records/${prefix}`,
        ),
        "ApplyRole artifacts",
        "ApplyRole records/applied",
        "ApplyRole records/waiting",
        "NotifyRole records/notified",
        "ScheduleRole artifacts/held-webhooks",
      ].map((use) => use.replace(/(\w+) (.*)/, "sluice/$1 AwsSolutions-IAM5[Resource::<Bucket.Arn>/$2/*]")),
      "sluice/SourcesRole AwsSolutions-IAM5[Resource::*]",
      "sluice/SourcesRole AwsSolutions-IAM5[Resource::arn:aws:s3:::apps/*]",
    ]);
    for (const { reason } of answers) expect(reason.length).toBeGreaterThan(60);
  });
});

function answersIn(app: App): { at: string; rule: string; reason: string }[] {
  return app.node.findAll().flatMap((construct) =>
    construct.node.metadata
      .filter(({ type }) => type === Validations.ACKNOWLEDGED_RULES_METADATA_KEY)
      .flatMap(({ data }) =>
        Object.entries(data as Record<string, string>).map(([rule, reason]) => ({
          at: construct.node.path,
          rule: rule.replace("Annotation::", ""),
          reason,
        })),
      ),
  );
}
