import { ArnFormat, type Stack, Validations } from "aws-cdk-lib";
import { PolicyStatement } from "aws-cdk-lib/aws-iam";
import { type Bucket, CfnBucket } from "aws-cdk-lib/aws-s3";
import type { Secret } from "aws-cdk-lib/aws-secretsmanager";
import type { FunctionName } from "./bundle.ts";
import type { Cluster } from "./config.ts";
import type { Deployed } from "./functions.ts";
import type { QueueName, Queues } from "./queues.ts";

/** The two kinds of objects in the bucket, as `lib/platform/aws` lays them out. */
const folders = ["artifacts", "records"] as const;
type Folder = (typeof folders)[number];
type Verb = "Get" | "Put" | "Delete";

/** What one function needs of the deployment: the whole of its rights and of its environment. */
export type Needs = {
  receives?: QueueName;
  sends: readonly QueueName[];
  objects: Partial<Record<Folder, readonly Verb[]>>;
  /** Reads the seed of the admission tokens. */
  admissionSeed: boolean;
  /** Connects to clusters. */
  clusters: boolean;
};

const worker = {
  sends: ["source", "apply", "notification", "delay"],
  objects: { artifacts: ["Get", "Put", "Delete"], records: ["Get", "Put", "Delete"] },
  admissionSeed: false,
  clusters: true,
} as const satisfies Needs;

/**
 * Who needs what. The webhook reads artifacts to sign links to them, enqueues, and keeps what a cluster does not answer to;
 * workers keep artifacts and records and send follow-ups; notify notes whom it has told; the schedule lists and enqueues, and
 * takes up what the webhook kept; timers pass messages on.
 */
export const needs: Record<FunctionName, Needs> = {
  webhook: {
    sends: ["source", "apply"],
    objects: { artifacts: ["Get", "Put"], records: ["Get"] },
    admissionSeed: true,
    clusters: true,
  },
  source: { receives: "source", ...worker },
  apply: { receives: "apply", ...worker },
  notify: {
    receives: "notification",
    sends: ["notification", "delay"],
    objects: { records: ["Get", "Put"] },
    admissionSeed: false,
    clusters: true,
  },
  schedule: {
    sends: ["source", "apply", "delay"],
    objects: { artifacts: ["Get", "Delete"] },
    admissionSeed: false,
    clusters: true,
  },
  timers: {
    receives: "delay",
    sends: ["source", "apply", "notification", "delay"],
    objects: {},
    admissionSeed: false,
    clusters: false,
  },
};

/** The parts of a deployment that functions are given. */
export type World = {
  stack: Stack;
  bucket: Bucket;
  queues: Queues;
  admissionSeed: Secret;
  secretPrefix: string;
  clusters: readonly Cluster[];
};

/** The policy statements of one function. */
export function statementsOf(world: World, name: FunctionName): PolicyStatement[] {
  const { receives, sends, objects, admissionSeed, clusters } = needs[name];
  const { stack, bucket, queues } = world;
  const reachable = clusters ? world.clusters : [];
  const allow = (sid: string, actions: string[], resources: string[]) =>
    resources.length === 0 ? [] : [new PolicyStatement({ sid, actions, resources })];
  return [
    ...allow(
      "ReceiveWork",
      ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility", "sqs:GetQueueAttributes"],
      receives === undefined ? [] : [queues[receives].queue.queueArn],
    ),
    ...allow(
      "SendWork",
      ["sqs:SendMessage"],
      sends.map((queue) => queues[queue].queue.queueArn),
    ),
    ...folders.flatMap((folder) =>
      allow(
        folder === "artifacts" ? "UseArtifacts" : "UseRecords",
        (objects[folder] ?? []).map((verb) => `s3:${verb}Object`),
        objects[folder] === undefined ? [] : [bucket.arnForObjects(`${folder}/*`)],
      ),
    ),
    // Without it S3 answers 403 for an absent key, and absence is what most reads ask about.
    ...allow("SeeAbsence", ["s3:ListBucket"], Object.keys(objects).length === 0 ? [] : [bucket.bucketArn]),
    ...allow(
      "ReadAdmissionSeed",
      ["secretsmanager:GetSecretValue"],
      admissionSeed ? [world.admissionSeed.secretArn] : [],
    ),
    ...allow(
      "ReadKubeconfigs",
      ["secretsmanager:GetSecretValue"],
      unique(reachable.flatMap((cluster) => (cluster.type === "kubeconfig" ? [secretArn(stack, cluster.secret)] : []))),
    ),
    ...allow(
      "DescribeClusters",
      ["eks:DescribeCluster"],
      unique(reachable.flatMap((cluster) => (cluster.type === "eks" ? [clusterArn(stack, cluster)] : []))),
    ),
  ];
}

/** The environment of one function, as `lib/platform/aws` reads it: only what the function may use. */
export function environmentOf(world: World, name: FunctionName): Record<string, string> {
  const { sends, objects, admissionSeed, clusters } = needs[name];
  const { stack, bucket, queues } = world;
  const named = world.clusters.map((cluster) =>
    cluster.type === "eks" ? { ...cluster, region: cluster.region ?? stack.region } : cluster,
  );
  return {
    ...(Object.keys(objects).length === 0 ? {} : { SLUICE_BUCKET: bucket.bucketName }),
    ...Object.fromEntries(
      sends.map((queue) => [`SLUICE_QUEUE_${queue.toUpperCase()}`, queues[queue].queue.queueUrl] as const),
    ),
    ...(admissionSeed ? { SLUICE_SECRET_PREFIX: world.secretPrefix } : {}),
    ...(clusters ? { SLUICE_CLUSTERS: stack.toJsonString(named) } : {}),
  };
}

/** Explains the wildcards of a role, which are objects of Sluice's own bucket. */
export function explainWildcards({ stack, bucket }: World, { name, role }: Deployed): void {
  for (const folder of folders) {
    if (needs[name].objects[folder] === undefined) continue;
    Validations.of(role).acknowledge({
      id: `AwsSolutions-IAM5[Resource::<${logicalIdOf(stack, bucket)}.Arn>/${folder}/*]`,
      reason:
        "Keys are named after what they hold (cluster, kind, namespace, name, digest), which no policy can list in advance; nothing but Sluice's own objects has this prefix.",
    });
  }
}

function logicalIdOf(stack: Stack, bucket: Bucket): string {
  const resource = bucket.node.defaultChild;
  if (!(resource instanceof CfnBucket)) throw new Error("the bucket has no CloudFormation resource");
  return stack.getLogicalId(resource);
}

/** ARN of a secret that is known by its name: Secrets Manager appends '-' and six characters, for which the `?` stand. */
function secretArn(stack: Stack, name: string): string {
  const resourceName = `${name}-??????`;
  return stack.formatArn({
    service: "secretsmanager",
    resource: "secret",
    resourceName,
    arnFormat: ArnFormat.COLON_RESOURCE_NAME,
  });
}

function clusterArn(stack: Stack, { name, region }: Extract<Cluster, { type: "eks" }>): string {
  return stack.formatArn({
    service: "eks",
    resource: "cluster",
    resourceName: name,
    ...(region === undefined ? {} : { region }),
  });
}

function unique(values: string[]): string[] {
  return [...new Set(values)];
}
