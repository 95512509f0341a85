import type { Artifact } from "../../api/artifact.ts";
import type { Condition } from "../../api/condition.ts";
import type { KubernetesObject, ObjectReference } from "../../api/object.ts";
import type { Context, EventRecord, Outcome } from "../../engine/reconciler.ts";
import type { Spool } from "../../platform/spool.ts";
import type { ConditionEditor } from "../condition-editor.ts";
import type { SourceFailure } from "./source-failure.ts";

/** What every kind of source says of itself (sources.md, section 1). */
export type SourceStatus = {
  observedGeneration?: number;
  conditions?: Condition[];
  artifact?: Artifact;
  url?: string;
};

/** An object whose content is offered as an artifact. */
export type SourceObject<S extends SourceStatus = SourceStatus> = KubernetesObject & {
  spec: { interval?: string; timeout?: string; suspend?: boolean };
  status?: S;
};

/** One kind of source, as the life cycle that they share sees it. */
export type SourceKind<S extends SourceStatus, O extends SourceObject<S>> = {
  /** Conditions whose truth speaks against Ready, the first that does (SRC-012). */
  against: readonly string[];
  /** Conditions whose end is a recovery, which is told (SRC-027). */
  recoveries: readonly string[];
  /** When StorageOperationFailed goes: as an attempt begins, or when an artifact is stored (SRC-036). */
  clearsStorageFailure: "start" | "stored";
  /** File of the stable link in `status.url`, for the kinds that have one (ART-017). */
  latest?: "latest.tar.gz" | "index.yaml";
  /** What is told where an artifact cannot be stored, without why; `unable to archive artifact to storage` where it is absent. */
  storing?(object: O): string;
  /** All that is special of the kind: finds out what there is, and stores it where it is new. Throws SourceFailure. */
  produce(pass: SourcePass<S, O>): Promise<SourceResult>;
  /** How an error that is not a SourceFailure is told. */
  failureOf(error: unknown, pass: SourcePass<S, O>): SourceFailure;
};

/** One attempt at a source. */
export type SourcePass<S extends SourceStatus = SourceStatus, O extends SourceObject<S> = SourceObject<S>> = {
  object: O;
  context: Context;
  conditions: ConditionEditor;
  events: EventRecord[];
  /** The status to be. It has an artifact exactly where the store holds it, unchanged (ART-012). */
  status: S;
  /** Ends at `spec.timeout`, 60 s where it is absent (SRC-032), and before the function does. */
  signal: AbortSignal;
  /** The objects that keep this one from going on: it is woken when one of them becomes ready. */
  waitsFor: ObjectReference[];
  /** What the artifact is made of, each as it was seen: the object is woken when one of them offers another artifact (SB-006). */
  follows: NonNullable<Outcome["follows"]>;
  /** Objects that learn more by this attempt than they knew: they are looked at. */
  wakes: NonNullable<Outcome["wake"]>;
  /** Tells that what is stored is no longer what there is, before the work on it (SRC-010, ART-023). */
  outdated(reason: "NewRevision" | "NewChart" | "IncludeChange", message: string): void;
  /**
   * Stores the artifact; the status names it from then on (ART-014). The content is the file as it is served, a spool being the
   * caller's to close, or what the store holds already under another key. Throws SourceFailure StorageOperationFailed.
   */
  store(file: string, content: Uint8Array | Spool | StoredContent, artifact: NewArtifact): Promise<void>;
  /** An event that nobody is notified of (SRC-029). */
  trace(reason: string, message: string): void;
};

/** What the store holds under a key: `<algorithm>:<hex>` and bytes. */
export type StoredContent = { key: string; digest: string; size: number };

/** What is said of a new artifact besides its bytes. `digest` spares computing it, where it is of the configured algorithm. */
export type NewArtifact = { revision: string; metadata?: Record<string, string>; digest?: string };

/** What a successful attempt says (ART-022), and what is told of a new artifact or a recovery (SRC-026, SRC-027). */
export type SourceResult = {
  inStorage: { reason: "Succeeded" | "ChartPullSucceeded" | "ChartPackageSucceeded"; message: string };
  /** Without a reason, NewArtifact or Succeeded. */
  event: { message: string; reason?: string };
};
