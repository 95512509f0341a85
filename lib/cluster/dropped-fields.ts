import type { ApplyEntry } from "./apply.ts";
import { formatSubject } from "./subject.ts";

/** Objects that are named at most, and fields of each: an event is to be read. */
const most = { objects: 20, fields: 10 };

/**
 * What is said, once, of fields that were not sent because the kinds have none of these names (SN-07): a line for each object.
 * Undefined where there are none.
 */
export function formatDroppedFields(entries: readonly ApplyEntry[]): string | undefined {
  const lines = entries.flatMap(({ reference, dropped = [] }) => {
    if (dropped.length === 0) return [];
    const named = dropped.slice(0, most.fields).map((path) => path.replace(/^\./, ""));
    const more = dropped.length - named.length;
    const rest = more > 0 ? ` and ${more} more` : "";
    return [`${formatSubject(reference)} not applied, unknown to its kind: ${named.join(", ")}${rest}`];
  });
  if (lines.length === 0) return undefined;
  const told = lines.slice(0, most.objects);
  return [...told, ...(lines.length > told.length ? [`and ${lines.length - told.length} more objects`] : [])].join(
    "\n",
  );
}
