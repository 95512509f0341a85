/**
 * Calls `work` for each item, at most `limit` at a time, and resolves with the results in the order of the items. After a
 * failure no further item is begun; what is under way ends, then the failure of the foremost item rejects.
 */
export async function concurrently<T, R>(
  items: readonly T[],
  limit: number,
  work: (item: T, index: number) => Promise<R>,
): Promise<R[]> {
  const results: R[] = new Array(items.length);
  const failures: { index: number; error: unknown }[] = [];
  const queue = items.entries();
  const worker = async () => {
    for (const [index, item] of queue) {
      if (failures.length > 0) return;
      try {
        results[index] = await work(item, index);
      } catch (error) {
        failures.push({ index, error });
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(limit, items.length) }, worker));
  const foremost = failures.sort((a, b) => a.index - b.index)[0];
  if (foremost !== undefined) throw foremost.error;
  return results;
}
