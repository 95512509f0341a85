import type { Difference } from "./compare.ts";

/** What differs of one object, told once: where, in which steps, and how. */
export type Condensed = { object: string; places: string[]; flux: string | undefined; sluice: string | undefined };

/**
 * Differences of a case, with each told once. What a condition says stands in other conditions, in Events and in notifications again, and
 * stays until the next step. An object that is settled in one side alone differs in everything: its conditions are enough.
 */
export function condense(differences: readonly Difference[]): Condensed[] {
  const found = new Map<string, Condensed>();
  const messages = new Set<string>();
  for (const { place, flux, sluice } of differences) {
    const told = /^at last: (Event|notification) of (\S+): (?:\w+) (.*)$/s.exec(place);
    if (told !== null) {
      const [, kind = "", object = "", text = ""] = told;
      if ([...messages].some((message) => text.startsWith(message))) continue;
      const value = (metadata: string | undefined) => (metadata === undefined ? undefined : `${text} ${metadata}`);
      add(found, object, kind, value(flux), value(sluice));
      continue;
    }
    const [step = "", rest = ""] = split(place, ": ");
    const [object = "", where = ""] = split(rest, " ");
    const [one, other] = [flux, sluice].map((value) =>
      where.startsWith("status.conditions[") ? value?.replace(/^(True|False|Unknown) /, "") : value,
    );
    if (where.startsWith("status.conditions["))
      for (const message of [one, other]) if (message !== undefined) messages.add(message);
    add(found, object, `${where} (${step})`, one, other);
  }
  return [...found.values()];
}

function add(found: Map<string, Condensed>, object: string, place: string, flux?: string, sluice?: string): void {
  const key = `${object} ${flux} ${sluice}`;
  const known = found.get(key);
  if (known === undefined) found.set(key, { object, places: [place], flux, sluice });
  else known.places.push(place);
}

function split(text: string, by: string): [string, string] {
  const at = text.indexOf(by);
  return at < 0 ? ["", text] : [text.slice(0, at), text.slice(at + by.length)];
}
