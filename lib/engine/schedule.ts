import { ApiError } from "../cluster/api-error.ts";
import type { ClusterClient } from "../cluster/client.ts";
import type { Platform } from "../platform/ports.ts";
import { parseGoDuration } from "../text/go-duration.ts";
import type { ClusterConnections } from "./clusters.ts";
import { dueWithin, type Scheduled } from "./due.ts";
import type { FreshObject } from "./fresh.ts";
import { kinds, pathOf, requestedAtAnnotation } from "./kinds.ts";
import { type Settings, settingsReader } from "./settings.ts";
import { enqueue, formatWorkItem, type Kind, queueOf, type WorkItem } from "./work-item.ts";

/** Kinds of others are never looked at unasked. */
const scheduledKinds = Object.values(kinds).filter(({ defaultIntervalSeconds }) => defaultIntervalSeconds > 0);

/** The namespaces and objects that a component handles in a cluster, or nothing where it is somebody else's. */
type Scope = Pick<Settings, "watchAllNamespaces" | "runtimeNamespace" | "watchLabelSelector">;

/**
 * Enqueues what is due within the minute of `time`, in every cluster (design, decision 6). A cluster that does not answer
 * is left to the next minute and disturbs no other. `runtimeNamespace` is where the placeholders are: `flux-system`.
 */
export async function runSchedule(
  platform: Platform,
  connect: ClusterConnections,
  time: Date,
  runtimeNamespace = "flux-system",
): Promise<void> {
  const start = Math.floor(time.getTime() / 60_000) * 60_000;
  const { log } = platform;
  const readSettings = settingsReader(platform, runtimeNamespace);
  const clusterIds = await platform.clusters.list();
  await Promise.all(
    clusterIds.map(async (clusterId) => {
      try {
        const cluster = await connect(clusterId);
        await Promise.all(
          scheduledKinds.map(async ({ kind, component }) => {
            const { owned, settings } = await readSettings(clusterId, cluster, component);
            if (owned) await scheduleKind(platform, cluster, clusterId, kind, settings, start);
          }),
        );
      } catch (error) {
        log.error("a cluster could not be scheduled", { cluster: clusterId, error: String(error) });
      }
    }),
  );
}

async function scheduleKind(
  platform: Platform,
  cluster: ClusterClient,
  clusterId: string,
  kind: Kind,
  scope: Scope,
  start: number,
): Promise<void> {
  const now: WorkItem[] = [];
  const later: { item: WorkItem; seconds: number }[] = [];
  const late = (platform.clock.now().getTime() - start) / 1000;
  for (const object of await listScheduled(cluster, kind, scope)) {
    for (const { afterSeconds, slot } of dueWithin(object, start)) {
      const item: WorkItem = {
        cluster: clusterId,
        kind,
        namespace: object.namespace,
        name: object.name,
        cause: { type: "schedule", slot: `${object.uid}/${slot}` },
      };
      if (afterSeconds - late < 1) now.push(item);
      else later.push({ item, seconds: afterSeconds - late });
    }
  }
  await enqueue(platform, now);
  await Promise.all(
    later.map(({ item, seconds }) => platform.queue.sendLater(queueOf[kind], formatWorkItem(item), seconds)),
  );
}

type Table = {
  kind: string;
  columnDefinitions: { name: string }[];
  rows?: { cells: unknown[] }[];
  metadata: { continue?: string };
};

/** What the schedule needs of every object of a kind: from printer columns alone where the CRD has them, else from the objects. */
export async function listScheduled(cluster: ClusterClient, kind: Kind, scope: Scope): Promise<Scheduled[]> {
  const objects: Scheduled[] = [];
  let token: string | undefined;
  do {
    const table = await listTable(cluster, kind, scope, token);
    if (table === undefined) return objects;
    const column = columnsOf(table);
    if (column === undefined) return listWhole(cluster, kind, scope);
    for (const { cells } of table.rows ?? []) {
      const cell = (name: string) => textOf(cells[column.get(name) ?? -1]);
      if (!isPassive(cell)) objects.push(fromText(cell, kinds[kind].defaultIntervalSeconds));
    }
    token = table.metadata.continue === "" ? undefined : table.metadata.continue;
  } while (token !== undefined);
  return objects;
}

async function listTable(
  cluster: ClusterClient,
  kind: Kind,
  scope: Scope,
  token: string | undefined,
): Promise<Table | undefined> {
  try {
    return await cluster.request<Table>({
      method: "GET",
      path: collectionOf(kind, scope),
      accept: "application/json;as=Table;g=meta.k8s.io;v=v1",
      query: { includeObject: "None", limit: 5000, continue: token, ...selectorOf(scope) },
    });
  } catch (error) {
    if (error instanceof ApiError && error.statusCode === 404) return undefined;
    throw error;
  }
}

function collectionOf(kind: Kind, { watchAllNamespaces, runtimeNamespace }: Scope): string {
  return watchAllNamespaces ? pathOf(kind) : pathOf(kind, runtimeNamespace);
}

function selectorOf({ watchLabelSelector }: Scope): { labelSelector: string | undefined } {
  return { labelSelector: watchLabelSelector === "" ? undefined : watchLabelSelector };
}

/** The columns that `lib/api` gives its CRDs for the schedule; Flux's own CRDs lack them. */
const scheduleColumns = [
  "Namespace",
  "UID",
  "Generation",
  "Interval",
  "Observed",
  "Tried",
  "Progress",
  "Requested",
  "Handled",
  "Suspend",
  "Deleted",
];

function columnsOf(table: Table): Map<string, number> | undefined {
  const columns = new Map(table.columnDefinitions.map(({ name }, index) => [name, index]));
  return scheduleColumns.every((name) => columns.has(name)) ? columns : undefined;
}

/** HR-013: what only others read, and holds nothing of a time when it was more (HR-014), is left alone. */
function isPassive(cell: (name: string) => string | undefined): boolean {
  return cell("Type") === "oci" && cell("Finalizer") === undefined && cell("Deleted") === undefined;
}

function fromText(cell: (name: string) => string | undefined, defaultSeconds: number): Scheduled {
  const interval = duration(cell("Interval")) || defaultSeconds * 1000;
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

type Conditions = { type: string; status: string; reason: string; observedGeneration?: number }[];

async function listWhole(cluster: ClusterClient, kind: Kind, scope: Scope): Promise<Scheduled[]> {
  const list = await cluster.request<{ items: FreshObject[] }>({
    method: "GET",
    path: collectionOf(kind, scope),
    query: selectorOf(scope),
  });
  const active = list.items.filter(
    ({ metadata, spec }) =>
      spec?.type !== "oci" || metadata.finalizers !== undefined || metadata.deletionTimestamp !== undefined,
  );
  return active.map(({ metadata, spec, status }) => {
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
  });
}

/** The annotation by which an ArtifactGenerator is suspended; its column says what the annotation does (AG-025). */
const reconcileAnnotation = "source.extensions.fluxcd.io/reconcile";

function saysSuspended(text: string | undefined): boolean {
  return text === "true" || text?.toLowerCase() === "disabled";
}

/** A cell's text; the API server prints an absent value as null, an empty string or `<none>`. */
function textOf(cell: unknown): string | undefined {
  if (cell === null || cell === undefined || cell === "" || cell === "<none>" || cell === "<unknown>") return undefined;
  return String(cell);
}

/** Milliseconds; 0 for none. */
function duration(text: string | undefined): number {
  return text === undefined ? 0 : parseGoDuration(text);
}
