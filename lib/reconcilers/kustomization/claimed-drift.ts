import type { Kustomization } from "../../api/kustomization.ts";
import { formatInventoryId, readableReferencesOf } from "../../cluster/inventory.ts";
import type { Cause } from "../../engine/work-item.ts";

/**
 * Whether a pass is asked for because of an object that the Kustomization does not manage: whoever may write objects can put its
 * labels on them (TM-003). Its own are in the inventory, those of a pass that failed too (SN-13).
 */
export function isClaimedByOthers({ status }: Kustomization, cause: Cause): boolean {
  if (cause.type !== "drift") return false;
  const entries = status?.inventory?.entries ?? [];
  const { overwritten } = cause;
  if (overwritten !== undefined) {
    const { namespace, ...named } = overwritten;
    const id = formatInventoryId(namespace === "" ? named : { ...named, namespace });
    return !entries.some((entry) => entry.id === id);
  }
  return !readableReferencesOf(entries).some(
    ({ kind, namespace = "", name }) => cause.object === `${kind}/${namespace}/${name}`,
  );
}
