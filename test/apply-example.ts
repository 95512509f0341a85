import type { KubernetesObject } from "../lib/api/object.ts";
import { type AppliedRecord, applyObjects } from "../lib/cluster/apply.ts";
import { connect } from "../lib/cluster/connect.ts";
import { observeHealth } from "../lib/cluster/health.ts";
import { differenceOf, formatInventory, type InventoryEntry, referencesOf, staleOf } from "../lib/cluster/inventory.ts";
import { pruneObjects } from "../lib/cluster/prune.ts";

const owner = {
  fieldManager: "my-tool",
  group: "my-tool.example.org", // the prefix of the marks below
  ownerLabels: { "my-tool.example.org/name": "shop" },
};

/** What is kept from one call to the next. */
type Kept = { inventory: InventoryEntry[]; record: AppliedRecord; ready: boolean };

export async function bring(kubeconfig: string, objects: KubernetesObject[], last?: Kept): Promise<Kept> {
  const client = connect({ type: "kubeconfig", kubeconfig }, { userAgent: "my-tool/1.0" });
  const { entries, pending, record } = await applyObjects(client, objects, { ...owner, record: last?.record });
  const references = entries.map(({ reference }) => reference);
  const inventory = formatInventory(references);
  const old = last?.inventory ?? [];
  if (pending.length > 0) {
    // To be called again in a moment. What was not reached is not forgotten.
    return { inventory: [...inventory, ...differenceOf(old, inventory)], record, ready: false };
  }
  await pruneObjects(client, referencesOf(staleOf(old, inventory)), owner);
  const health = await observeHealth(client, references);
  return { inventory, record, ready: health.every(({ status }) => status === "Current") };
}
