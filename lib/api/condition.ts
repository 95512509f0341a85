/** A condition of an object's status (metav1.Condition). */
export type Condition = {
  type: string;
  status: "True" | "False" | "Unknown";
  reason: string;
  message: string;
  lastTransitionTime: string;
  observedGeneration?: number;
};

const messageLimit = 32_768;
const leading = ["Stalled", "Reconciling", "Ready"];

/** The condition of that type. */
export function findCondition(conditions: readonly Condition[], type: string): Condition | undefined {
  return conditions.find((condition) => condition.type === type);
}

/** The conditions without that type. */
export function removeCondition(conditions: readonly Condition[], type: string): Condition[] {
  return conditions.filter((condition) => condition.type !== type);
}

/**
 * Sets a condition (KS-224): its transition time moves when status, reason or message changes, it carries the generation,
 * its message is cut to 32768 characters, and the list is ordered Stalled, Reconciling, Ready, then by name.
 */
export function setCondition(
  conditions: readonly Condition[],
  condition: Pick<Condition, "type" | "status" | "reason" | "message">,
  at: { now: Date; generation: number },
): Condition[] {
  const message =
    condition.message.length > messageLimit ? `${condition.message.slice(0, messageLimit - 3)}...` : condition.message;
  const known = findCondition(conditions, condition.type);
  const same = known?.status === condition.status && known.reason === condition.reason && known.message === message;
  const next: Condition = {
    ...condition,
    message,
    lastTransitionTime: same ? known.lastTransitionTime : `${at.now.toISOString().slice(0, 19)}Z`,
    observedGeneration: at.generation,
  };
  return [...removeCondition(conditions, condition.type), next].sort(inOrder);
}

function inOrder(a: Condition, b: Condition): number {
  const rank = ({ type }: Condition) => (leading.includes(type) ? leading.indexOf(type) : leading.length);
  return rank(a) - rank(b) || (a.type < b.type ? -1 : a.type > b.type ? 1 : 0);
}
