/**
 * Ends what was begun, the last first, and empties the list. What cannot be ended keeps nothing else from it: the first failure is
 * thrown when everything else is over.
 */
export async function endAll(ending: (() => Promise<void>)[]): Promise<void> {
  const failures: unknown[] = [];
  for (const end of ending.splice(0).toReversed()) {
    try {
      await end();
    } catch (error) {
      failures.push(error);
    }
  }
  if (failures.length > 0) throw failures[0];
}
