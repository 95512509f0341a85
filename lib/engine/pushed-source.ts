import type { KubernetesObject } from "../api/object.ts";
import type { ClusterClient } from "../cluster/client.ts";
import { listObjects } from "../cluster/objects.ts";
import type { Platform } from "../platform/ports.ts";
import type { ClusterConnections } from "./clusters.ts";
import { kinds } from "./kinds.ts";
import { type Settings, settingsReader } from "./settings.ts";
import { enqueue, formatWorkItem, queueOf, type WorkItem } from "./work-item.ts";

/** What a cloud tells of: an image or artifact that was pushed to a registry of AWS, or an object of a bucket that came or went. */
export type PushedSource =
  | { type: "image"; account: string; region: string; repository: string }
  | { type: "object"; bucket: string; key: string };

/** Objects come in numbers: looks at a bucket begin at the end of a span of so many milliseconds, once for all that came within it. */
const span = 2_000;

/**
 * Enqueues a look at each source that reads what was pushed, in every cluster (SB-008, SB-009). Clusters are asked which these are: nothing is kept
 * in step. A cluster that does not answer disturbs no other, and finds the change at its sources' intervals. Told twice, or late, it costs a
 * look.
 */
export async function enqueuePushed(
  platform: Platform,
  connect: ClusterConnections,
  pushed: PushedSource,
  signal: AbortSignal,
  runtimeNamespace = "flux-system",
): Promise<void> {
  const readSettings = settingsReader(platform, runtimeNamespace);
  const kind = pushed.type === "image" ? "OCIRepository" : "Bucket";
  const now = platform.clock.now().getTime();
  const at = pushed.type === "image" ? now : (Math.floor(now / span) + 1) * span;
  const token = new Date(at).toISOString();
  const receiver = pushed.type === "image" ? "aws.ecr" : "aws.s3";
  const found = await Promise.all(
    (await platform.clusters.list()).map(async (clusterId): Promise<WorkItem[]> => {
      try {
        const cluster = await connect(clusterId);
        const { owned, settings } = await readSettings(clusterId, cluster, kinds[kind].component);
        if (!owned) return [];
        const names = (await readersOf(cluster, kind, settings, signal)).filter((object) => reads(object, pushed));
        return names.map(({ metadata: { namespace = "", name } }) => ({
          cluster: clusterId,
          kind,
          namespace,
          name,
          cause: { type: "webhook", receiver, token },
        }));
      } catch (error) {
        platform.log.error("a cluster could not be told of a push", { cluster: clusterId, error: String(error) });
        return [];
      }
    }),
  );
  const items = found.flat();
  platform.log.info("a push was told", { ...pushed, sources: items.length });
  if (at === now) return enqueue(platform, items);
  await Promise.all(
    items.map((item) => platform.queue.sendLater(queueOf[kind], formatWorkItem(item), (at - now) / 1000)),
  );
}

type Reader = KubernetesObject & { spec?: { url?: string; bucketName?: string; prefix?: string } };

function readersOf(
  cluster: ClusterClient,
  kind: "OCIRepository" | "Bucket",
  { watchAllNamespaces, runtimeNamespace, watchLabelSelector }: Settings,
  signal: AbortSignal,
): Promise<Reader[]> {
  const { apiVersion } = kinds[kind];
  const where = watchAllNamespaces ? {} : { namespace: runtimeNamespace };
  const which = watchLabelSelector === "" ? {} : { labelSelector: watchLabelSelector };
  return listObjects<Reader>(cluster, { apiVersion, kind, ...where, ...which }, signal);
}

/** `oci://<account>.dkr.ecr.<region>.<suffix>/<repository>`, also by the hosts for FIPS and for both kinds of addresses. */
const ecrUrl = /^oci:\/\/([0-9]+)\.dkr[.-]ecr(?:-fips)?\.([a-z0-9-]+)\.[^/]+\/(.+?)\/?$/;

/** Whether a source reads what was pushed. Another cloud's bucket of the same name is looked at for nothing. */
function reads({ spec = {}, metadata }: Reader, pushed: PushedSource): boolean {
  if (metadata.deletionTimestamp !== undefined) return false;
  if (pushed.type === "object") return spec.bucketName === pushed.bucket && pushed.key.startsWith(spec.prefix ?? "");
  const [, account, region, repository] = ecrUrl.exec(spec.url ?? "") ?? [];
  return account === pushed.account && region === pushed.region && repository === pushed.repository;
}
