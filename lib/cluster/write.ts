import type { KubernetesObject } from "../api/object.ts";
import { messageOf } from "../text/error-message.ts";
import { isFrozen, isMarked } from "./object-metadata.ts";
import { applyObject } from "./objects.ts";
import type { Planned } from "./plan.ts";
import { mustCompare, type Probing, Refused } from "./probe.ts";
import { isWriteConflict, mayBeDone } from "./refusal.ts";
import { formatSubject } from "./subject.ts";

/** How often a write that met another writer is sent at most. */
const attempts = 3;

/**
 * Whether an object may be written without being tried: others change it only by moving its resourceVersion, so that a write on
 * condition that it is as it was recorded does what a look would have led to, or nothing.
 */
export function mayWriteUntried(probing: Probing, plan: Planned): boolean {
  const { group, force } = probing.options;
  const { object, recorded, isChanged } = plan;
  if (mustCompare(probing, plan)) return false;
  if (recorded?.content === undefined || isChanged !== true || force === true || isFrozen(object, group)) return false;
  return !isMarked(object, `${group}/ssa`, "IfNotPresent") && !isMarked(object, `${group}/force`, "enabled");
}

/** What became of a write that was not tried: the object as it is then, or why a look has to tell how it is. */
export type UntriedWrite = { stored: KubernetesObject } | "refused" | "unanswered";

/**
 * Applies an object if it is still as it was recorded. It is refused where it is not, or may not be so: nothing is written then.
 * Unanswered, it may have been written.
 */
export async function writeUntried({ client, options }: Probing, { object, recorded }: Planned): Promise<UntriedWrite> {
  const { fieldManager, signal } = options;
  if (recorded === undefined) return "refused";
  const { uid, resourceVersion } = recorded;
  const conditional = { ...object, metadata: { ...object.metadata, uid, resourceVersion } };
  try {
    return { stored: await applyObject(client, conditional, { fieldManager, force: true, once: true }, signal) };
  } catch (error) {
    if (signal?.aborted === true) throw error;
    return mayBeDone(error) ? "unanswered" : "refused";
  }
}

/**
 * Applies an object for good, or what is `yielding` in its place, which is sent once: it may be conditional. Throws Refused with
 * Flux's text (KS-149).
 */
export async function writeObject(
  { client, options }: Probing,
  { object: wanted, reference }: Planned,
  yielding?: KubernetesObject,
): Promise<KubernetesObject> {
  const { fieldManager, signal } = options;
  const object = yielding ?? wanted;
  for (let attempt = 1; ; attempt++) {
    try {
      return await applyObject(client, object, { fieldManager, force: true }, signal);
    } catch (error) {
      if (yielding === undefined && attempt < attempts && isWriteConflict(error)) continue;
      const message = messageOf(error);
      throw new Refused(`${formatSubject(reference)} apply failed: ${message}`, error);
    }
  }
}
