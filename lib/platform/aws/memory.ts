import type { Clock } from "../ports.ts";

/**
 * Remembers what was read of the outside for a time, by key. Those who ask while a reading is under way share it; one that
 * failed or found nothing is not remembered. For values that may be stale for so long: nothing that another invocation needs.
 */
export function createMemory<Value>(
  clock: Clock,
  milliseconds: number,
): (key: string, read: () => Promise<Value>) => Promise<Value> {
  const known = new Map<string, { until: number; value: Promise<Value> }>();
  return (key, read) => {
    const now = clock.now().getTime();
    const found = known.get(key);
    if (found !== undefined && now < found.until) return found.value;
    const value = read();
    const entry = { until: now + milliseconds, value };
    known.set(key, entry);
    const forget = () => {
      if (known.get(key) === entry) known.delete(key);
    };
    value.then((found) => (found === undefined ? forget() : undefined), forget);
    return value;
  };
}
