import type { KubernetesObject, ObjectReference } from "../api/object.ts";
import type { ClusterClient } from "../cluster/client.ts";
import type { ArtifactStore, AwsCredentials, Clock, Logger, RecordStore, SecretReader } from "../platform/ports.ts";
import type { Settings } from "./settings.ts";
import type { Cause, Continuation } from "./work-item.ts";

/** Everything a reconciler may use. */
export type Context = {
  clusterId: string;
  /** The home cluster as Sluice itself; `cluster.as(user)` is a tenant. */
  cluster: ClusterClient;
  artifacts: ArtifactStore;
  records: RecordStore;
  secrets: SecretReader;
  /** The deployment's own credentials in AWS (SN-19); absent where it has none. */
  awsCredentials?: (() => Promise<AwsCredentials>) | undefined;
  /** ARNs of the EKS clusters that it opens as itself for a `kubeConfig` that names no service account (KS-214). */
  remoteClusters: readonly string[];
  clock: Clock;
  log: Logger;
  /** Ends before the function does. */
  signal: AbortSignal;
  /** The flags of the component that owns the kind, as its placeholder states them now. */
  settings: Settings;
  /** Where artifacts and webhooks are served: `https://host[:port]`, without trailing slash. */
  endpoint: string;
  /** An earlier look for the same reason may have died, or an error have ended it, at any line of its work. */
  redelivered: boolean;
  /** Why the object is looked at; says how fresh a reader must be, never what is right. */
  cause: Cause;
  /** Says what the pass is doing; the engine writes it to status if the pass turns out to be a slow one (KS-220, SN-10). */
  progress(status: Status): void;
  /** Writes a status that users must be able to see before the work starts (SRC-008, SRC-009). */
  announce(status: Status): Promise<void>;
};

/** A status is patched as a whole; fields that are absent from it are removed from the object. */
export type Status = { [field: string]: unknown };

/** What an object says of itself: a Kubernetes Event and, but for `Trace`, a notification (EV-002). */
export type EventRecord = {
  type: "Normal" | "Warning" | "Trace";
  reason: string;
  message: string;
  /** Keys as they are written: prefixed with the API group (EV-005). */
  metadata?: Record<string, string>;
  /** How it came to that, for whoever looks into it (SB-010): annotations of the Event alone, each under `sluice.dev/`. Nobody is notified of it. */
  trace?: Record<string, string>;
};

/**
 * When to look again before the interval comes:
 * after a fixed time with what the look goes on with; at the next slot of a shorter interval, which the schedule shares, so
 * that looks never multiply (KS-011, KS-012); or backing off with each failure in a row.
 */
export type Again =
  | { afterSeconds: number; continuation: Omit<Continuation, "generation" | "requestedAt"> }
  | { everySeconds: number }
  | { backOff: true };

/** What the engine has to do next: patch status if it differs, record events, wake those who wait, look again later. */
export type Outcome<S extends Status = Status> = {
  status: S;
  events: EventRecord[];
  /** The revision of the artifact that this source offers, and whether this pass made it: then its users are woken. */
  produced?: { revision: string; isNew: boolean };
  /** Artifacts that this pass published as other objects (AG-005): their users are woken. */
  published?: { reference: ObjectReference; revision: string; state: string }[];
  /** What the pass has made its own artifact of, as it saw it: when one of them offers another artifact, the object is woken (SB-006, AG-005). */
  follows?: { reference: ObjectReference; digest: string | undefined }[];
  /**
   * Objects of the engine's kinds that this pass wrote, each with the resourceVersion that it wrote, or that share what it found
   * out, in another cluster too: they are looked at.
   */
  wake?: { cluster?: string; reference: ObjectReference; state: string }[];
  /** These kept the object from going on: it is woken when one of them becomes ready (design, "State"). */
  waitsFor?: ObjectReference[];
  again?: Again;
  /** The pass goes on in a later look: a request is not yet answered (KS-006). */
  unfinished?: boolean;
};

/** Turns an object into an outcome. It never waits, schedules, or touches a queue. */
export type Reconciler<O extends KubernetesObject = KubernetesObject, S extends Status = Status> = (
  object: O,
  context: Context,
  continuation?: Continuation,
) => Promise<Outcome<S>>;

/**
 * Undoes what an object did, before its finalizer goes. `done: false` keeps the finalizer and looks again.
 * Events are recorded either way.
 */
export type Finalizer<O extends KubernetesObject = KubernetesObject> = (
  object: O,
  context: Context,
  continuation?: Continuation,
) => Promise<
  { done: true; events: EventRecord[] } | { done: false; events: EventRecord[]; again: Again; status?: Status }
>;

/**
 * The two halves of a kind's life. Methods, so that a reconciler of one kind fits: the engine hands it only objects of that
 * kind, whose shape the CRD's schema has validated.
 */
export type KindReconciler = {
  reconcile(object: KubernetesObject, context: Context, continuation?: Continuation): Promise<Outcome>;
  finalize(object: KubernetesObject, context: Context, continuation?: Continuation): ReturnType<Finalizer>;
  /**
   * Whether the object, as it is now, is only read by others (HR-013): it gets no finalizer, and what it had from a time when it
   * was not is undone by `finalize`, with its whole status (HR-014).
   */
  isPassive?(object: KubernetesObject): boolean;
  /** The revision that an object of a kind of others offers (EA-001, EA-002): its users are woken. */
  offered?(object: KubernetesObject): string | undefined;
  /** Whether the object says by other means than `spec.suspend` that it is left alone, and what is done then (AG-025). */
  suspended?: {
    isSuspended(object: KubernetesObject): boolean;
    outcome(object: KubernetesObject, context: Pick<Context, "clock">): Outcome;
  };
};
