import type { AlertSpec } from "../api/alert.ts";
import { eventGroup, groupPrefixOf, type NotificationEvent, withMetadata } from "./event.ts";

/** An event as one Alert sends it, and the keys that more than one layer gave, with the layers' names (MD-002). */
export type MergedEvent = { event: NotificationEvent; conflicts: Record<string, string> };

/**
 * MD-001: the final metadata in four layers, of which the later win: annotations of the object, the Alert's `eventMetadata`,
 * its `summary`, and what the object's controller gave.
 */
export function mergeMetadata(event: NotificationEvent, alert: AlertSpec): MergedEvent {
  const metadata = new Map<string, string>();
  const layers = new Map<string, string[]>();
  const add = (layer: string, entries: [string, string][]) => {
    for (const [key, value] of entries) {
      metadata.set(key, value);
      layers.set(key, [...(layers.get(key) ?? []), layer]);
    }
  };
  add("involved object annotations", unprefixed(event, eventGroup));
  add("Alert object .spec.eventMetadata", Object.entries(alert.eventMetadata ?? {}));
  if (alert.summary !== undefined && alert.summary !== "")
    add("Alert object .spec.summary", [["summary", alert.summary]]);
  add("involved object controller metadata", unprefixed(event, groupPrefixOf(event)));
  const conflicts = [...layers].filter(([, names]) => names.length > 1).map(([key, names]) => [key, names.join(", ")]);
  const sorted = [...metadata].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  return { event: withMetadata(event, sorted), conflicts: Object.fromEntries(conflicts) };
}

function unprefixed({ metadata = {} }: NotificationEvent, prefix: string): [string, string][] {
  return Object.entries(metadata).flatMap(([key, value]): [string, string][] =>
    key.startsWith(prefix) ? [[key.slice(prefix.length), value]] : [],
  );
}
