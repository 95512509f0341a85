import { ApiError } from "../cluster/api-error.ts";
import type { ClusterClient } from "../cluster/client.ts";
import type { Platform } from "../platform/ports.ts";
import type { ClusterConnections } from "./clusters.ts";
import { dueWithin, type Scheduled } from "./due.ts";
import type { FreshObject } from "./fresh.ts";
import { kinds, pathOf } from "./kinds.ts";
import { scheduledOf, scheduledOfColumns, textOf } from "./scheduled.ts";
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
      if (!isPassive(cell)) objects.push(scheduledOfColumns(kind, cell));
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
  return active.map((object) => scheduledOf(kind, object));
}
