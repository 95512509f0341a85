import { ArnFormat, type Stack, Validations } from "aws-cdk-lib";
import { PolicyStatement } from "aws-cdk-lib/aws-iam";
import { type Bucket, CfnBucket } from "aws-cdk-lib/aws-s3";
import type { Secret } from "aws-cdk-lib/aws-secretsmanager";
import type { FunctionName } from "./bundle.ts";
import type { Cluster, Decryption } from "./config.ts";
import type { Deployed } from "./functions.ts";
import type { QueueName, Queues } from "./queues.ts";

type Verb = "Get" | "Put" | "Delete";

/** What one function needs of the deployment: the whole of its rights and of its environment. */
export type Needs = {
  receives?: QueueName;
  sends: readonly QueueName[];
  /** What it does with objects of the bucket, by the beginning of their keys (`lib/platform/aws` lays them out). */
  objects: { readonly [prefix: string]: readonly Verb[] };
  /** Reads the deployment's seed: admission tokens, addresses of artifacts and digests of secret values are made of it. */
  admissionSeed: boolean;
  /** Connects to clusters. */
  clusters: boolean;
  /** Decrypts what SOPS has encrypted, with the keys and as the roles that the deployment names. */
  decrypts?: true;
  /** Takes the role of sources, if the deployment has one (sources-role.ts). */
  takesSourcesRole?: true;
  /** Opens the clusters that a `kubeConfig` may name without a service account. */
  opensRemoteClusters?: true;
};

const everyQueue = ["source", "apply", "notification", "delay"] as const;
const keep = ["Get", "Put", "Delete"] as const;

/** Who needs what. */
export const needs: Record<FunctionName, Needs> = {
  /** Signs links to artifacts, keeps webhooks for a cluster that does not answer, derives the tokens of paths. */
  webhook: {
    sends: ["source", "apply"],
    objects: {
      artifacts: ["Get"],
      "artifacts/held-webhooks": ["Put"],
      "records/latest": ["Get"],
      "records/receivers": ["Get"],
    },
    admissionSeed: true,
    clusters: true,
  },
  /**
   * Stores artifacts and what they were before, derives the tokens of their addresses, remembers what servers said and gave, tells the front
   * which Receivers there are and which artifact is the newest, wakes who waits.
   */
  source: {
    receives: "source",
    sends: everyQueue,
    objects: {
      artifacts: keep,
      "records/checks": keep,
      "records/contents": keep,
      "records/history": keep,
      "records/latest": keep,
      "records/receivers": keep,
      "records/sigstore": keep,
      "records/tokens": keep,
      "records/verified-by": keep,
      "records/waiting": keep,
    },
    admissionSeed: true,
    clusters: true,
    takesSourcesRole: true,
  },
  /** Reads artifacts, remembers what it applied (secret values as digests under a key of the seed's), waits and wakes. */
  apply: {
    receives: "apply",
    sends: everyQueue,
    objects: { artifacts: ["Get"], "records/applied": keep, "records/waiting": keep },
    admissionSeed: true,
    clusters: true,
    decrypts: true,
    opensRemoteClusters: true,
  },
  /** Fans events out to messages, sends each again later if need be, remembers whom it has told. */
  notify: {
    receives: "notification",
    sends: ["notification", "delay"],
    objects: { "records/notified": ["Get", "Put"] },
    admissionSeed: false,
    clusters: true,
  },
  /** Enqueues what is due now or within the minute, and takes up the webhooks that were kept. */
  schedule: {
    sends: ["source", "apply", "delay"],
    objects: { "artifacts/held-webhooks": ["Get", "Delete"] },
    admissionSeed: false,
    clusters: true,
  },
  /** Enqueues looks at the sources of what was pushed to ECR or S3. */
  pushes: { sends: ["source", "delay"], objects: {}, admissionSeed: false, clusters: true },
  /** Passes delayed messages on. */
  timers: { receives: "delay", sends: everyQueue, objects: {}, admissionSeed: false, clusters: false },
};

/** The parts of a deployment that functions are given. */
export type World = {
  stack: Stack;
  bucket: Bucket;
  queues: Queues;
  admissionSeed: Secret;
  secretPrefix: string;
  clusters: readonly Cluster[];
  remoteClusters: readonly string[];
  decryption: Decryption;
  /** ARN of the role of sources, where there is one. */
  sourcesRole?: string | undefined;
};

/** The policy statements of one function. */
export function statementsOf(world: World, name: FunctionName): PolicyStatement[] {
  const { receives, sends, objects, admissionSeed, clusters, decrypts } = needs[name];
  const { stack, bucket, queues } = world;
  const { keys, roles } = decrypts === true ? world.decryption : { keys: [], roles: [] };
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
    ...Object.entries(objects).flatMap(([prefix, verbs]) =>
      allow(
        `Use${prefix.replace(/[^a-z]+|^/g, " ").replace(/ (.)/g, (_, letter: string) => letter.toUpperCase())}`,
        verbs.map((verb) => `s3:${verb}Object`),
        [bucket.arnForObjects(`${prefix}/*`)],
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
    ...allow(
      "DescribeRemoteClusters",
      ["eks:DescribeCluster"],
      needs[name].opensRemoteClusters === true ? unique([...world.remoteClusters]) : [],
    ),
    ...allow("DecryptFiles", ["kms:Decrypt"], unique(keys)),
    ...allow("AssumeRolesOfFiles", ["sts:AssumeRole"], unique(roles)),
    ...allow("AssumeRoleOfSources", ["sts:AssumeRole"], sourcesRoleOf(world, name)),
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
    ...(needs[name].opensRemoteClusters === true && world.remoteClusters.length > 0
      ? { SLUICE_REMOTE_CLUSTERS: unique([...world.remoteClusters]).join(",") }
      : {}),
    ...Object.fromEntries(sourcesRoleOf(world, name).map((role) => ["SLUICE_SOURCES_ROLE", role] as const)),
  };
}

function sourcesRoleOf({ sourcesRole }: World, name: FunctionName): string[] {
  return needs[name].takesSourcesRole === true && sourcesRole !== undefined ? [sourcesRole] : [];
}

/** Explains the wildcards of a role, which are objects of Sluice's own bucket. */
export function explainWildcards({ stack, bucket }: World, { name, role }: Deployed): void {
  for (const prefix of Object.keys(needs[name].objects)) {
    Validations.of(role).acknowledge({
      id: `AwsSolutions-IAM5[Resource::<${logicalIdOf(stack, bucket)}.Arn>/${prefix}/*]`,
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
