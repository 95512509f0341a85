import { parseGoDuration } from "../text/go-duration.ts";
import type { Scheduled } from "./due.ts";
import type { FreshObject } from "./fresh.ts";
import { kinds, requestedAtAnnotation } from "./kinds.ts";
import type { Kind } from "./work-item.ts";

type Conditions = { type: string; status: string; reason: string; observedGeneration?: number }[];

/** What the schedule knows of an object, from the object itself. */
export function scheduledOf(kind: Kind, { metadata, spec, status }: FreshObject): Scheduled {
  const conditions = (status?.conditions ?? []) as Conditions;
  const isTrue = (type: string) =>
    conditions.some((condition) => condition.type === type && condition.status === "True");
  const interval = duration(textOf(spec?.interval)) || kinds[kind].defaultIntervalSeconds * 1000;
  return {
    namespace: metadata.namespace ?? "",
    name: metadata.name,
    uid: metadata.uid ?? "",
    generation: metadata.generation ?? 0,
    observedGeneration: Math.max(
      Number(status?.observedGeneration ?? -1),
      conditions.find(({ type }) => type === "Ready")?.observedGeneration ?? -1,
    ),
    interval,
    retryInterval: duration(textOf(spec?.retryInterval)) || interval,
    ready: isTrue("Ready"),
    unfinished: conditions.find(({ type }) => type === "Reconciling")?.reason === "Progressing",
    stalled: isTrue("Stalled"),
    suspended: spec?.suspend === true || saysSuspended(metadata.annotations?.[reconcileAnnotation]),
    deleting: metadata.deletionTimestamp !== undefined,
    requestedAt: metadata.annotations?.[requestedAtAnnotation],
    handledAt: textOf(status?.lastHandledReconcileAt),
  };
}

/** What the schedule knows of an object, from its printer columns. */
export function scheduledOfColumns(kind: Kind, cell: (name: string) => string | undefined): Scheduled {
  const interval = duration(cell("Interval")) || kinds[kind].defaultIntervalSeconds * 1000;
  return {
    namespace: cell("Namespace") ?? "",
    name: cell("Name") ?? "",
    uid: cell("UID") ?? "",
    generation: Number(cell("Generation") ?? 0),
    observedGeneration: Math.max(Number(cell("Observed") ?? -1), Number(cell("Tried") ?? -1)),
    interval,
    retryInterval: duration(cell("Retry")) || interval,
    ready: cell("Ready") === "True",
    unfinished: cell("Progress") === "Progressing",
    stalled: cell("Stalled") === "True",
    suspended: saysSuspended(cell("Suspend")),
    deleting: cell("Deleted") !== undefined,
    requestedAt: cell("Requested"),
    handledAt: cell("Handled"),
  };
}

/** The annotation by which an ArtifactGenerator is suspended; its column says what the annotation does (AG-025). */
const reconcileAnnotation = "source.extensions.fluxcd.io/reconcile";

function saysSuspended(text: string | undefined): boolean {
  return text === "true" || text?.toLowerCase() === "disabled";
}

/** A cell's text; the API server prints an absent value as null, an empty string or `<none>`. */
export function textOf(cell: unknown): string | undefined {
  if (cell === null || cell === undefined || cell === "" || cell === "<none>" || cell === "<unknown>") return undefined;
  return String(cell);
}

/** Milliseconds; 0 for none. */
function duration(text: string | undefined): number {
  return text === undefined ? 0 : parseGoDuration(text);
}
