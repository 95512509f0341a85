import { existsSync, readFileSync } from "node:fs";
import { messageOf } from "../lib/text/error-message.ts";
import { type FunctionName, functionNames } from "./bundle.ts";
import { arns, ConfigError, ids, matching, number, numbers, object } from "./setting.ts";

/** A cluster that the deployment works for: an EKS cluster by its name, or any cluster by a kubeconfig in Secrets Manager. */
export type Cluster =
  | { id: string; type: "eks"; name: string; region?: string }
  | { id: string; type: "kubeconfig"; secret: string; context?: string };

/** Subnets of a VPC, and the security groups of what runs in them. */
export type Network = { subnets: string[]; securityGroups: string[] };

/** What the deployment may decrypt with as itself: ARNs of KMS keys, and of roles that files name beside their key. */
export type Decryption = { keys: string[]; roles: string[] };

/**
 * What the source function may read of AWS for sources that bring no identity: ARNs of CodeCommit repositories, of repositories in ECR,
 * and of S3 buckets.
 */
export type Sources = { repositories: string[]; registries: string[]; buckets: string[] };

/** The functions that unpack what they fetch, and have a disk for it. */
export const unpackers = ["source", "apply"] as const;
export type Unpacker = (typeof unpackers)[number];

/** The functions that take messages from a queue, whose concurrency the event source mapping bounds. */
export const consumers = ["source", "apply", "notify", "timers"] as const;
export type Consumer = (typeof consumers)[number];

/** What a deployment may choose. Every key is optional in the file; docs/deploy-aws.md explains them. */
export type Config = {
  /** Name of the stack, and the beginning of every name in it: two deployments in one account differ here. */
  name: string;
  /** Region to deploy to; the AWS profile's where absent. */
  region?: string;
  clusters: Cluster[];
  /**
   * ARNs of the EKS clusters that a `kubeConfig` may name without a service account of its own: they are opened as Sluice's own role,
   * for whoever may create such an object in any of the clusters. None by default (docs/tenancy.md).
   */
  remoteClusters: string[];
  /** Where the functions that reach clusters run, for API servers that are not on the internet. */
  network?: Network;
  /** Rights in AWS for SOPS files whose Kustomization has no credentials of its own: none by default (docs/secrets.md). */
  decryption: Decryption;
  /** Rights in AWS for sources that have no credentials of their own: none by default (docs/sources-aws.md). */
  sources: Sources;
  /** Memory of a function in MiB; processor time is in proportion to it. */
  memory: Record<FunctionName, number>;
  /** Size of a function's temporary disk in MiB: what is too large for memory is there meanwhile. */
  temporaryStorage: Record<Unpacker, number>;
  /** Messages of a queue that are worked on at once, at most. */
  maximumConcurrency: Record<Consumer, number>;
  /** Concurrency taken out of the account's pool for one function: a guarantee and a limit. */
  reservedConcurrency: Partial<Record<FunctionName, number>>;
  logRetentionDays: number;
  logLevel: LogLevel;
  /** Address that alarms are mailed to. */
  alarmEmail?: string;
  /** How many timeouts of its function a message stays invisible: AWS asks for 6 (see queues.ts). */
  visibilityFactor: number;
  /** Leaves out what LocalStack cannot create: the dashboard. */
  localstack: boolean;
};

/** 1,769 MiB is one whole processor; below it, rendering and packing only take longer for the same price. */
const defaults: Config = {
  name: "sluice",
  clusters: [],
  remoteClusters: [],
  decryption: { keys: [], roles: [] },
  sources: { repositories: [], registries: [], buckets: [] },
  memory: { webhook: 512, source: 1769, apply: 1769, notify: 512, schedule: 1024, pushes: 512, timers: 256 },
  temporaryStorage: { source: 2048, apply: 1024 },
  maximumConcurrency: { source: 20, apply: 50, notify: 10, timers: 5 },
  reservedConcurrency: {},
  logRetentionDays: 14,
  logLevel: "INFO",
  visibilityFactor: 6,
  localstack: false,
};

/** What is logged at least. DEBUG tells of every look at an object. */
export const logLevels = ["DEBUG", "INFO", "WARN", "ERROR"] as const;
export type LogLevel = (typeof logLevels)[number];

/** Retention times that CloudWatch Logs accepts, in days. */
export const retentionDays = [
  1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653,
] as const;

/**
 * Reads the deployment's configuration: the defaults, then the JSON file, then each key given as CDK context
 * (`-c clusters='[...]'`). Throws ConfigError for a key or value that means nothing, rather than deploying without it.
 */
export function readConfig(context: (key: string) => unknown): Config {
  const named = context("config");
  const file = typeof named === "string" ? named : "sluice.config.json";
  if (typeof named === "string" && !existsSync(named)) throw new ConfigError("config", `there is no file ${named}`);
  const written = existsSync(file) ? parseJson(readFileSync(file, "utf8"), file) : {};
  const given = Object.keys(readers).flatMap((key) => {
    const value = context(key);
    return value === undefined ? [] : [[key, fromContext(value)] as const];
  });
  return parseConfig({ ...object(written, file), ...Object.fromEntries(given) });
}

/** Checks a configuration and completes it with the defaults. */
export function parseConfig(value: unknown): Config {
  const fields = object(value, "configuration");
  const read = Object.entries(fields).map(([key, field]) => {
    const reader = Object.hasOwn(readers, key) ? readers[key as keyof Config] : undefined;
    if (reader === undefined)
      throw new ConfigError(key, `there is no such setting; there are ${Object.keys(readers).join(", ")}`);
    return [key, reader(field, key)] as const;
  });
  return { ...defaults, ...(Object.fromEntries(read) as Partial<Config>) };
}

const readers: { [Key in keyof Config]-?: (value: unknown, path: string) => Config[Key] } = {
  name: (value, path) =>
    matching(value, path, /^[a-z][a-z0-9-]{0,24}$/, "lower-case letters, digits and '-', up to 25"),
  region: (value, path) => matching(value, path, /^[a-z]{2}(-[a-z]+)+-\d$/, "a region such as eu-central-1"),
  clusters: readClusters,
  remoteClusters: (value, path) => arns(value, path, eksArn, "the ARN of an EKS cluster (no wildcard)"),
  network: (value, path) => {
    const { subnets, securityGroups, ...other } = object(value, path);
    const [unknown] = Object.keys(other);
    if (unknown !== undefined) throw new ConfigError(`${path}.${unknown}`, "must be subnets or securityGroups");
    return {
      subnets: ids(subnets, `${path}.subnets`, "subnet"),
      securityGroups: ids(securityGroups, `${path}.securityGroups`, "sg"),
    };
  },
  decryption: readDecryption,
  sources: readSources,
  memory: (value, path) => ({ ...defaults.memory, ...numbers(value, path, functionNames, 128, 10_240) }),
  temporaryStorage: (value, path) => ({
    ...defaults.temporaryStorage,
    ...numbers(value, path, unpackers, 512, 10_240),
  }),
  maximumConcurrency: (value, path) => ({
    ...defaults.maximumConcurrency,
    ...numbers(value, path, consumers, 2, 1000),
  }),
  reservedConcurrency: (value, path) => numbers(value, path, functionNames, 1, 10_000),
  logRetentionDays: (value, path) => {
    if (!retentionDays.some((days) => days === value))
      throw new ConfigError(path, `is not one of ${retentionDays.join(", ")}`);
    return Number(value);
  },
  logLevel: (value, path) => {
    const level = logLevels.find((known) => known === value);
    if (level === undefined) throw new ConfigError(path, `must be one of ${logLevels.join(", ")}`);
    return level;
  },
  alarmEmail: (value, path) => matching(value, path, /^[^\s@]+@[^\s@]+$/, "an e-mail address"),
  visibilityFactor: (value, path) => number(value, path, 1, 60),
  localstack: (value, path) => {
    if (typeof value !== "boolean") throw new ConfigError(path, "must be true or false");
    return value;
  },
};

/** Lambda gives a function 4 KB of environment; the rest is for queues, bucket and endpoint. */
const clusterBytes = 2800;

function readClusters(value: unknown, path: string): Cluster[] {
  if (!Array.isArray(value)) throw new ConfigError(path, "must be a list");
  const clusters = value.map((entry, index) => readCluster(entry, `${path}[${index}]`));
  const twice = clusters.find(({ id }, index) => clusters.findIndex((other) => other.id === id) < index);
  if (twice !== undefined) throw new ConfigError(path, `two clusters have the id '${twice.id}'`);
  if (JSON.stringify(clusters).length > clusterBytes)
    throw new ConfigError(path, `takes more than the ${clusterBytes} bytes that a function's environment has room for`);
  // Reconciled under two ids, every object would be worked on by two invocations at once.
  const address = (cluster: Cluster) =>
    JSON.stringify(cluster.type === "eks" ? [cluster.name, cluster.region] : [cluster.secret, cluster.context]);
  const same = clusters.find((one, index) => clusters.findIndex((other) => address(other) === address(one)) < index);
  if (same !== undefined) throw new ConfigError(path, `'${same.id}' is a cluster that another entry names already`);
  return clusters;
}

function readCluster(value: unknown, path: string): Cluster {
  const fields = object(value, path);
  const known = fields.type === "eks" ? ["name", "region"] : ["secret", "context"];
  const unknown = Object.keys(fields).find((key) => !["id", "type", ...known].includes(key));
  if (fields.type !== "eks" && fields.type !== "kubeconfig")
    throw new ConfigError(`${path}.type`, "must be eks or kubeconfig");
  if (unknown !== undefined)
    throw new ConfigError(`${path}.${unknown}`, `a cluster of type ${fields.type} has no such field`);
  // The id is a segment of queue messages, store keys and URLs.
  const id = matching(fields.id, `${path}.id`, /^[a-zA-Z0-9._-]{1,100}$/, "letters, digits, '.', '_' and '-'");
  if (fields.type === "eks") {
    const name = matching(
      fields.name,
      `${path}.name`,
      /^[a-zA-Z0-9][a-zA-Z0-9_-]{0,99}$/,
      "the name of an EKS cluster",
    );
    const region = fields.region === undefined ? {} : { region: readers.region(fields.region, `${path}.region`) };
    return { id, type: "eks", name, ...(region.region === undefined ? {} : { region: region.region }) };
  }
  const secret = matching(
    fields.secret,
    `${path}.secret`,
    /^[a-zA-Z0-9/_+=.@-]{1,512}$/,
    "the name of a secret, not its ARN",
  );
  const context =
    fields.context === undefined
      ? {}
      : { context: matching(fields.context, `${path}.context`, /./, "the name of a context") };
  return { id, type: "kubeconfig", secret, ...context };
}

const keyArn = /^arn:aws[\w-]*:kms:[a-z0-9-]+:\d{12}:key\/(mrk-)?[0-9a-f-]{32,36}$/;
const roleArn = /^arn:aws[\w-]*:iam::\d{12}:role\/[\w+=,.@/-]{1,576}$/;

const eksArn = /^arn:aws[\w-]*:eks:[a-z0-9-]+:\d{12}:cluster\/[a-zA-Z0-9][a-zA-Z0-9_-]{0,99}$/;

/** No wildcards: who may write a SOPS file chooses among the keys and roles that are here. IAM knows no alias as a resource. */
function readDecryption(value: unknown, path: string): Decryption {
  const { keys = [], roles = [], ...other } = object(value, path);
  const [unknown] = Object.keys(other);
  if (unknown !== undefined) throw new ConfigError(`${path}.${unknown}`, "must be keys or roles");
  return {
    keys: arns(keys, `${path}.keys`, keyArn, "the ARN of a KMS key (no alias, no wildcard)"),
    roles: arns(roles, `${path}.roles`, roleArn, "the ARN of a role (no wildcard)"),
  };
}

const repositoryArn = /^arn:aws[\w-]*:codecommit:[a-z0-9-]+:\d{12}:[\w.-]{1,100}$/;
const registryArn = /^arn:aws[\w-]*:ecr:[a-z0-9-]+:\d{12}:repository\/[a-z0-9]+([._/-][a-z0-9]+)*$/;
const bucketArn = /^arn:aws[\w-]*:s3:::[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/;

/** No wildcards: who may write a source chooses among what is here. */
function readSources(value: unknown, path: string): Sources {
  const { repositories = [], registries = [], buckets = [], ...other } = object(value, path);
  const [unknown] = Object.keys(other);
  if (unknown !== undefined) throw new ConfigError(`${path}.${unknown}`, "must be repositories, registries or buckets");
  return {
    repositories: arns(
      repositories,
      `${path}.repositories`,
      repositoryArn,
      "the ARN of a CodeCommit repository (no wildcard)",
    ),
    registries: arns(registries, `${path}.registries`, registryArn, "the ARN of an ECR repository (no wildcard)"),
    buckets: arns(buckets, `${path}.buckets`, bucketArn, "the ARN of an S3 bucket (no path, no wildcard)"),
  };
}

/** Context from the command line is text, from cdk.json it is a value. Text that is not JSON is meant as it stands. */
function fromContext(value: unknown): unknown {
  if (typeof value !== "string") return value;
  try {
    return JSON.parse(value);
  } catch {
    return value;
  }
}

function parseJson(text: string, file: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new ConfigError(file, `is not JSON: ${messageOf(error)}`);
  }
}
