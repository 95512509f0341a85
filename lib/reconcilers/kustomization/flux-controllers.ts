import type { InventoryEntry } from "../../api/kustomization.ts";
import type { KubernetesObject, ObjectReference } from "../../api/object.ts";
import { ApiError } from "../../cluster/api-error.ts";
import { formatInventoryId } from "../../cluster/inventory.ts";
import { findObject, referenceTo } from "../../cluster/objects.ts";
import { formatSubject } from "../../cluster/subject.ts";
import { failure } from "./halt.ts";
import type { Pass } from "./pass.ts";
import type { KustomizationRecord } from "./record.ts";

/** Flux's own controllers, by the names of their Deployments. */
const names: ReadonlySet<string> = new Set([
  "source-controller",
  "source-watcher",
  "kustomize-controller",
  "helm-controller",
  "notification-controller",
  "image-reflector-controller",
  "image-automation-controller",
]);

type Scaled = KubernetesObject & { spec?: { replicas?: number } };

/**
 * Keeps the number of replicas that Flux's own controllers have in the cluster, none where they are not there: the repository of a
 * bootstrapped cluster wants one of each, which would start them beside Sluice (KS-244, SN-01). All else that it says of them is
 * applied, since their args are Sluice's flags (design, decision 2). Once Git itself has asked for none, more are a hand-over and
 * applied as they are written (MG-065). Gives the objects to apply, and the inventory ids of those held. Throws ApiError, and a
 * Halt where the tenant may not read them.
 */
export async function holdFluxControllers(
  { context, target, remote }: Pass,
  objects: KubernetesObject[],
  record: KustomizationRecord | undefined,
): Promise<{ objects: KubernetesObject[]; held: string[] }> {
  const { runtimeNamespace } = context.settings;
  const wasAppliedAsWritten = (id: string) =>
    record?.inventory.some((entry) => entry.id === id) === true && record.held?.includes(id) !== true;
  const held: string[] = [];
  const applied = objects.map(async (object): Promise<KubernetesObject> => {
    const reference = referenceTo(object);
    const id = formatInventoryId(reference);
    const { spec }: Scaled = object;
    const isOne = remote === undefined && isFluxController(reference, runtimeNamespace);
    if (!isOne || spec?.replicas === 0 || wasAppliedAsWritten(id)) return object;
    held.push(id);
    const live = await findObject<Scaled>(target, reference, context.signal).catch((error: unknown) => {
      // A tenant whose repository holds them gets no further than the dry run of any other object that is not its own.
      if (!(error instanceof ApiError) || error.statusCode !== 403) throw error;
      const message = `${formatSubject(reference)} dry-run failed (${error.reason}): ${error.message}\n`;
      throw failure("ReconciliationFailed", message, error);
    });
    return { ...object, spec: { ...spec, replicas: live === undefined ? 0 : (live.spec?.replicas ?? 1) } };
  });
  return { objects: await Promise.all(applied), held };
}

/** Without Flux's own controllers: no commit takes away what says who works in a cluster, or stops who runs in it (SN-01). */
export function withoutFluxControllers(
  stale: InventoryEntry[],
  { context: { settings }, remote }: Pick<Pass, "context" | "remote">,
): InventoryEntry[] {
  if (remote !== undefined) return stale;
  const ids = new Set(
    [...names].map((name) =>
      formatInventoryId({ apiVersion: "apps/v1", kind: "Deployment", namespace: settings.runtimeNamespace, name }),
    ),
  );
  return stale.filter(({ id }) => !ids.has(id));
}

function isFluxController({ apiVersion, kind, namespace, name }: ObjectReference, runtimeNamespace: string): boolean {
  return apiVersion === "apps/v1" && kind === "Deployment" && namespace === runtimeNamespace && names.has(name);
}
