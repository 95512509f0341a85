import { type Condition, findCondition, removeCondition, setCondition } from "../api/condition.ts";
import type { KubernetesObject } from "../api/object.ts";

/** The conditions of one pass: they start as the object has them and end in its status. */
export type ConditionEditor = {
  get(type: string): Condition | undefined;
  set(type: string, status: "True" | "False" | "Unknown", reason: string, message: string): void;
  remove(type: string): void;
  list(): Condition[];
};

/** Edits the conditions of an object; each that is set carries the object's generation (KS-224). */
export function editConditions(
  object: KubernetesObject & { status?: { conditions?: Condition[] } },
  now: () => Date,
): ConditionEditor {
  let conditions = object.status?.conditions ?? [];
  const generation = object.metadata.generation ?? 0;
  return {
    get: (type) => findCondition(conditions, type),
    set: (type, status, reason, message) => {
      conditions = setCondition(conditions, { type, status, reason, message }, { now: now(), generation });
    },
    remove: (type) => {
      conditions = removeCondition(conditions, type);
    },
    list: () => conditions,
  };
}
