import { describe, expect, it } from "vitest";
import { type FunctionName, functionNames } from "./bundle.ts";
import { constructId } from "./construct-id.ts";
import { propertiesOf, readable, type Template, templateOf } from "./template.ts";

const template = templateOf({
  clusters: [
    { id: "prod", type: "eks", name: "prod" },
    { id: "edge", type: "kubeconfig", secret: "edge/kubeconfig" },
  ],
});

const clusterRights = [
  "secretsmanager:GetSecretValue on arn:aws:secretsmanager:us-east-1:111111111111:secret:edge/kubeconfig-??????",
  "eks:DescribeCluster on arn:aws:eks:us-east-1:111111111111:cluster/prod",
];
const receive = "sqs:ChangeMessageVisibility sqs:DeleteMessage sqs:GetQueueAttributes sqs:ReceiveMessage on";
const ownLog = (id: string) => `logs:CreateLogStream logs:PutLogEvents on ${id}Log.Arn`;
const sendAll = "sqs:SendMessage on ApplyQueue.Arn DelayQueue.Arn NotificationQueue.Arn SourceQueue.Arn";
const use = (verbs: string, prefix: string) =>
  `${verbs
    .split(" ")
    .map((verb) => `s3:${verb}Object`)
    .join(" ")} on Bucket.Arn/${prefix}/*`;
const seeAbsence = "s3:ListBucket on Bucket.Arn";
const readSeed = "secretsmanager:GetSecretValue on AdmissionSeed";

/** The whole of what each function may do. */
const rights: Record<FunctionName, string[]> = {
  webhook: [
    ownLog("Webhook"),
    "sqs:SendMessage on ApplyQueue.Arn SourceQueue.Arn",
    use("Get", "artifacts"),
    use("Put", "artifacts/held-webhooks"),
    use("Get", "records/latest"),
    use("Get", "records/receivers"),
    seeAbsence,
    readSeed,
    ...clusterRights,
  ],
  source: [
    ownLog("Source"),
    `${receive} SourceQueue.Arn`,
    sendAll,
    use("Delete Get Put", "artifacts"),
    use("Delete Get Put", "records/checks"),
    use("Delete Get Put", "records/contents"),
    use("Delete Get Put", "records/history"),
    use("Delete Get Put", "records/latest"),
    use("Delete Get Put", "records/receivers"),
    use("Delete Get Put", "records/sigstore"),
    use("Delete Get Put", "records/tokens"),
    use("Delete Get Put", "records/verified-by"),
    use("Delete Get Put", "records/waiting"),
    seeAbsence,
    readSeed,
    ...clusterRights,
  ],
  apply: [
    ownLog("Apply"),
    `${receive} ApplyQueue.Arn`,
    sendAll,
    use("Get", "artifacts"),
    use("Delete Get Put", "records/applied"),
    use("Delete Get Put", "records/waiting"),
    seeAbsence,
    readSeed,
    ...clusterRights,
  ],
  notify: [
    ownLog("Notify"),
    `${receive} NotificationQueue.Arn`,
    "sqs:SendMessage on DelayQueue.Arn NotificationQueue.Arn",
    use("Get Put", "records/notified"),
    seeAbsence,
    ...clusterRights,
  ],
  schedule: [
    ownLog("Schedule"),
    "sqs:SendMessage on ApplyQueue.Arn DelayQueue.Arn SourceQueue.Arn",
    use("Delete Get", "artifacts/held-webhooks"),
    seeAbsence,
    ...clusterRights,
  ],
  pushes: [ownLog("Pushes"), "sqs:SendMessage on DelayQueue.Arn SourceQueue.Arn", ...clusterRights],
  timers: [ownLog("Timers"), `${receive} DelayQueue.Arn`, sendAll],
};

describe("the role of a function", () => {
  it.each(functionNames)("%s: holds exactly its rights", (name) => {
    expect(rightsOf(template, name)).toEqual(rights[name]);
  });

  it.each(functionNames)("%s: may be taken by Lambda alone, and holds no policy of somebody else", (name) => {
    const role = propertiesOf(template, "AWS::IAM::Role", `${constructId(name)}Role`);
    expect(role.AssumeRolePolicyDocument).toMatchObject({
      Statement: [{ Action: "sts:AssumeRole", Effect: "Allow", Principal: { Service: "lambda.amazonaws.com" } }],
    });
    expect(role).not.toHaveProperty("ManagedPolicyArns");
    expect(role.Policies).toHaveLength(1);
  });

  it("is the function's own, and no policy is attached from outside", () => {
    const used = functionNames.map((name) =>
      readable(propertiesOf(template, "AWS::Lambda::Function", constructId(name)).Role),
    );
    expect(used).toEqual(functionNames.map((name) => `${constructId(name)}Role.Arn`));
    expect(Object.values(template.Resources).map(({ Type }) => Type)).not.toContain("AWS::IAM::Policy");
  });

  it("is given no secret and no cluster that the configuration does not name", () => {
    const bare = templateOf();
    for (const name of functionNames)
      expect(rightsOf(bare, name)).toEqual(rights[name].filter((right) => !clusterRights.includes(right)));
  });
});

describe("the right to decrypt", () => {
  const key = "arn:aws:kms:eu-central-1:222222222222:key/0a1b2c3d-0a1b-2c3d-4e5f-0a1b2c3d4e5f";
  const role = "arn:aws:iam::222222222222:role/sops-reader";

  it("KS-100: is the apply function's alone, for the keys and roles that the deployment names", () => {
    const named = templateOf({ decryption: { keys: [key, key], roles: [role] } });
    for (const name of functionNames) {
      const own = rights[name].filter((right) => !clusterRights.includes(right));
      const decrypts = name === "apply" ? [`kms:Decrypt on ${key}`, `sts:AssumeRole on ${role}`] : [];
      expect(rightsOf(named, name)).toEqual([...own, ...decrypts]);
    }
  });
});

describe("the right to open remote clusters", () => {
  const arn = "arn:aws:eks:eu-west-1:222222222222:cluster/edge";

  it("KS-214, SN-19: is the apply function's alone, for the clusters that the deployment names", () => {
    const named = templateOf({ remoteClusters: [arn, arn] });
    for (const name of functionNames) {
      const own = rights[name].filter((right) => !clusterRights.includes(right));
      const opens = name === "apply";
      expect(rightsOf(named, name)).toEqual([...own, ...(opens ? [`eks:DescribeCluster on ${arn}`] : [])]);
      expect(environmentOf(named, name).SLUICE_REMOTE_CLUSTERS).toBe(opens ? arn : undefined);
    }
  });
});

describe("the environment of a function", () => {
  const queues = ["QUEUE_APPLY", "QUEUE_DELAY", "QUEUE_NOTIFICATION", "QUEUE_SOURCE"];
  const worker = ["BUCKET", "CLUSTERS", "ENDPOINT", ...queues, "SECRET_PREFIX"];
  it.each([
    ["webhook", ["BUCKET", "CLUSTERS", "QUEUE_APPLY", "QUEUE_SOURCE", "SECRET_PREFIX"]],
    ["source", worker],
    ["apply", worker],
    ["notify", ["BUCKET", "CLUSTERS", "ENDPOINT", "QUEUE_DELAY", "QUEUE_NOTIFICATION"]],
    ["schedule", ["BUCKET", "CLUSTERS", "ENDPOINT", "QUEUE_APPLY", "QUEUE_DELAY", "QUEUE_SOURCE"]],
    ["pushes", ["CLUSTERS", "ENDPOINT", "QUEUE_DELAY", "QUEUE_SOURCE"]],
    ["timers", ["QUEUE_APPLY", "QUEUE_DELAY", "QUEUE_NOTIFICATION", "QUEUE_SOURCE"]],
  ] as const)("%s: is told only of what it may use", (name, variables) => {
    const names = Object.keys(environmentOf(template, name)).sort();
    expect(names).toEqual(["POWERTOOLS_LOG_LEVEL", ...variables.map((variable) => `SLUICE_${variable}`)]);
  });

  it("names the clusters with their regions, in the order of the configuration", () => {
    expect(JSON.parse(String(environmentOf(template, "apply").SLUICE_CLUSTERS))).toEqual([
      { id: "prod", type: "eks", name: "prod", region: "us-east-1" },
      { id: "edge", type: "kubeconfig", secret: "edge/kubeconfig" },
    ]);
  });
});

function rightsOf(from: Template, name: FunctionName): string[] {
  const role = propertiesOf(from, "AWS::IAM::Role", `${constructId(name)}Role`) as {
    Policies: { PolicyDocument: { Statement: { Effect: string; Action: string | string[]; Resource: unknown }[] } }[];
  };
  return role.Policies.flatMap(({ PolicyDocument }) => PolicyDocument.Statement).map(({ Effect, Action, Resource }) => {
    expect(Effect).toBe("Allow");
    return `${[Action].flat().join(" ")} on ${[readable(Resource)].flat().join(" ")}`;
  });
}

function environmentOf(from: Template, name: FunctionName): Record<string, unknown> {
  const { Environment } = propertiesOf(from, "AWS::Lambda::Function", constructId(name)) as {
    Environment: { Variables: Record<string, unknown> };
  };
  return Environment.Variables;
}
