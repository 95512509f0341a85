import { createHash } from "node:crypto";
import type { Json, Platform, QueueMessage, QueueName } from "../platform/ports.ts";

/** The kinds that are reconciled. */
export type Kind =
  | "GitRepository"
  | "OCIRepository"
  | "HelmRepository"
  | "HelmChart"
  | "Bucket"
  | "ExternalArtifact"
  | "ArtifactGenerator"
  | "Kustomization"
  | "Receiver";

/** Which queue carries the work of a kind: rendering kinds are kept apart from light ones (design, decision 3). */
export const queueOf: Record<Kind, Extract<QueueName, "source" | "apply">> = {
  GitRepository: "source",
  OCIRepository: "source",
  HelmRepository: "source",
  HelmChart: "source",
  Bucket: "source",
  ExternalArtifact: "source",
  ArtifactGenerator: "source",
  Kustomization: "apply",
  Receiver: "source",
};

/**
 * Why an object should be looked at. It decides nothing about correctness: every pass re-reads the object and its source.
 * It names the state that the sender knows of, so that a reader can wait for it and equal causes fold into one message.
 */
export type Cause =
  /** The API server is about to store this generation or annotation (design, decision 5). */
  | { type: "admission"; uid: string; generation?: number; requestedAt?: string; deleted?: boolean }
  /** A managed object was changed by somebody else. */
  | { type: "drift"; uid: string; by: string; object: string; overwritten?: Overwritten }
  /** A ConfigMap or Secret that the object refers to was changed, made or deleted. */
  | { type: "reference"; uid: string; object: string; overwritten: Overwritten }
  /**
   * A Receiver accepted a request; `token` is written as `reconcile.fluxcd.io/requestedAt`. `pushed` is what a signed request says was
   * pushed: what it names may be fetched ahead of the answer to whether it still is so.
   */
  | { type: "webhook"; receiver: string; token: string; pushed?: Pushed }
  /**
   * A source has a new revision. `state` is its resourceVersion: it may come back to a revision that it had a minute ago; `user` that
   * of the object as it was then.
   */
  | { type: "source"; source: string; revision: string; state: string; user: string }
  /** An object that this one waits for changed its state. */
  | { type: "dependency"; object: string; state: string }
  /** The producer of an ExternalArtifact is about to store another status of it. */
  | { type: "published"; uid: string; overwritten: Overwritten }
  /** The interval's slot (its number since 1970) has come, or a state was never observed. */
  | { type: "schedule"; slot: string }
  /** A delayed second look at unfinished work. */
  | { type: "again"; state: string };

/** A reference by its full name, and the commit that it was moved to. */
export type Pushed = { reference: string; commit: string };

/**
 * An object as it was before the change that an admission call told of, which comes before the change is stored: the
 * resourceVersion of one that was not there is empty.
 */
export type Overwritten = {
  apiVersion: string;
  kind: string;
  namespace: string;
  name: string;
  resourceVersion: string;
};

/** What a delayed look waits for; an item that speaks of an older revision or generation is dropped. */
export type Continuation = {
  /** Absent where the object could not be read: a retry after an error. */
  generation?: number;
  revision?: string;
  /** The request that the unfinished pass will have answered. */
  requestedAt?: string;
  /** Failed attempts in a row before this one: the exponent of the back-off. */
  attempt?: number;
  /** An error ended the look before this one: what that one did may not have been told to those who wait for it. */
  broken?: true;
  /** What the kind itself carries from look to look. */
  state?: { [key: string]: Json };
};

/** Names one object in one cluster and why it should be looked at. The only thing that travels in a work queue. */
export type WorkItem = {
  cluster: string;
  kind: Kind;
  namespace: string;
  name: string;
  cause: Cause;
  continuation?: Continuation;
};

/** The message group: one object is worked on by one invocation at a time (design, decision 3). */
export function groupOf(item: Pick<WorkItem, "cluster" | "kind" | "namespace" | "name">): string {
  return digest(`${item.cluster}/${item.kind}/${item.namespace}/${item.name}`);
}

/** A queue message of a work item. Its de-duplication id is the digest of the item: same state to reach, same id. */
export function formatWorkItem(item: WorkItem): QueueMessage {
  const body = JSON.stringify(item);
  return { body, group: groupOf(item), deduplication: digest(body) };
}

/** Sends work items, each to the queue of its kind. */
export async function enqueue(platform: Pick<Platform, "queue">, items: WorkItem[]): Promise<void> {
  const byQueue = new Map<QueueName, QueueMessage[]>();
  for (const item of items) {
    const queue = queueOf[item.kind];
    byQueue.set(queue, [...(byQueue.get(queue) ?? []), formatWorkItem(item)]);
  }
  await Promise.all([...byQueue].map(([queue, messages]) => platform.queue.send(queue, messages)));
}

function digest(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

/** Reads a queue message. Throws for one that no version of Sluice could have written: it ends in the dead-letter queue. */
export function parseWorkItem(body: string): WorkItem {
  const value: unknown = JSON.parse(body);
  if (!isWorkItem(value)) throw new Error("the message is not a work item");
  return value;
}

function isWorkItem(value: unknown): value is WorkItem {
  if (typeof value !== "object" || value === null) return false;
  const item = value as { [field: string]: unknown };
  const named = [item.cluster, item.namespace, item.name].every(
    (part) => typeof part === "string" && /^[a-zA-Z0-9._-]{1,253}$/.test(part),
  );
  const cause = item.cause;
  const continuation = item.continuation;
  return (
    named &&
    typeof item.kind === "string" &&
    Object.hasOwn(queueOf, item.kind) &&
    typeof cause === "object" &&
    cause !== null &&
    "type" in cause &&
    (continuation === undefined || (typeof continuation === "object" && continuation !== null))
  );
}
