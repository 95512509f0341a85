/**
 * The ports: everything that Sluice needs of the world around it besides the Kubernetes API.
 * Two adapters, `aws/` and `local/`, pass one contract suite (`contract.test.ts`).
 */

/** A JSON value, as it travels in records and queue messages. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** Source and apply work is FIFO by message group; notifications are unordered. Each has a dead-letter queue. */
export type QueueName = "source" | "apply" | "notification";

/** Content: artifacts and cached renders. Writing is atomic: a reader sees all of an object or none of it. */
export interface ArtifactStore {
  /** What is too large for memory comes in pieces; where these end in an error nothing is written, and it is thrown. */
  put(key: string, body: Uint8Array | AsyncIterable<Uint8Array>): Promise<void>;
  /** The whole content, or undefined where the key is absent. */
  get(key: string): Promise<Uint8Array | undefined>;
  /** Size in bytes and time of writing, or undefined where the key is absent; with `checksum` the SHA-256 of the content too. */
  head(key: string, options?: { checksum?: boolean }): Promise<StoredObject | undefined>;
  /** Copies content without reading it. False where there is none. */
  copy(from: string, to: string): Promise<boolean>;
  /** Every key that starts with the prefix, in key order. */
  list(prefix: string): Promise<StoredObject[]>;
  /** Removing an absent key is not an error. */
  remove(keys: string[]): Promise<void>;
  /** A link that anybody may GET for `seconds`, or undefined where the platform has none and the caller must send the bytes. */
  link(key: string, seconds: number): Promise<string | undefined>;
}

/** What is known of stored content without reading it. `sha256` is lower-case hex; absent where it was not asked for, or the store does not know it. */
export type StoredObject = { key: string; size: number; modified: Date; sha256?: string };

/** What a write of a record expects to find: a version it has read, no record at all, or anything. */
export type Expectation = { version: string } | "absent" | "any";

/** Small JSON documents with compare-and-set. */
export interface RecordStore {
  get(key: string): Promise<{ value: Json; version: string } | undefined>;
  /** Returns the new version. Throws RecordConflict where the expectation does not hold. */
  put(key: string, value: Json, expect: Expectation): Promise<string>;
  /** Removing an absent record is not an error; a version that moved on is a RecordConflict. */
  remove(key: string, expect: { version: string } | "any"): Promise<void>;
}

/** Another writer came first: read again and decide anew. */
export class RecordConflict extends Error {
  readonly key: string;
  constructor(key: string) {
    super(`record ${key} was changed by another writer`);
    this.name = "RecordConflict";
    this.key = key;
  }
}

/**
 * One message to a queue. `group` orders and single-flights (ignored by the notification queue); a message whose
 * `deduplication` was accepted in the last five minutes is dropped (SQS FIFO semantics; ignored by the notification queue).
 */
export type QueueMessage = { body: string; group: string; deduplication: string };

/** Sends work. Receiving is the platform's own business: an event source mapping, or the local host's loop. */
export interface WorkQueue {
  send(queue: QueueName, messages: QueueMessage[]): Promise<void>;
  /**
   * Sends a message after a delay. `seconds` may be fractional and of any size: what a platform's delay queue cannot
   * hold (SQS: whole seconds, 900 at most) is rounded up, or delayed again by the timers function.
   */
  sendLater(queue: QueueName, message: QueueMessage, seconds: number): Promise<void>;
}

/** Secrets of the deployment itself (kubeconfigs, admission tokens), never of a tenant. */
export interface SecretReader {
  /** The secret's text, or undefined where there is none by that name. */
  read(name: string): Promise<string | undefined>;
}

/** Credentials of AWS, as every credential provider gives them. Never logged. */
export type AwsCredentials = {
  accessKeyId: string;
  secretAccessKey: string;
  sessionToken?: string;
  /** Absent where they do not end. */
  expiresAt?: Date;
};

/** A cluster this deployment works for, and how its API server is reached. */
export type ClusterEntry = { id: string } & (
  | { type: "kubeconfig"; kubeconfig: string; context?: string }
  | { type: "eks"; name: string; region: string; endpoint: string; certificateAuthority: string }
);

/** Which clusters there are. Asked at each use: adding a cluster needs no restart. */
export interface ClusterRegistry {
  list(): Promise<string[]>;
  /** Undefined where no cluster has that id. */
  get(id: string): Promise<ClusterEntry | undefined>;
}

/** Wall clock. Tests move it. */
export interface Clock {
  now(): Date;
}

/** Structured logs. Fields never hold a secret. */
export interface Logger {
  debug(message: string, fields?: Record<string, unknown>): void;
  info(message: string, fields?: Record<string, unknown>): void;
  warn(message: string, fields?: Record<string, unknown>): void;
  error(message: string, fields?: Record<string, unknown>): void;
  /** A logger that adds these fields to every line. */
  child(fields: Record<string, unknown>): Logger;
}

/** All ports of one platform. */
export type Platform = {
  artifacts: ArtifactStore;
  records: RecordStore;
  queue: WorkQueue;
  secrets: SecretReader;
  clusters: ClusterRegistry;
  clock: Clock;
  log: Logger;
  /** The AWS credentials of the deployment itself (SN-19), asked for at each use; absent where it has none. */
  awsCredentials?: (() => Promise<AwsCredentials>) | undefined;
  /** ARNs of the EKS clusters that the deployment opens as itself for a `kubeConfig` that names no service account (KS-214). */
  remoteClusters?: readonly string[];
  /** Where the HTTP front (webhooks, artifacts, admission) is reached from outside, without trailing slash: `https://host[:port]`. */
  endpoint: string;
};
