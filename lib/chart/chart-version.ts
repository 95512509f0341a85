import { compareVersions, parseVersion, type Version } from "../text/semver.ts";
import { parseVersionRange, satisfies } from "../text/semver-range.ts";
import type { HelmIndex } from "./helm-index.ts";
import type { IndexEntry } from "./index-entry.ts";

/**
 * The version of a chart that a range selects (HC-011): that very text; else the highest version within the range, the latest
 * stable one for `*` or nothing. Of versions that differ in build metadata alone the one created last wins. Throws with Flux's words
 * where there is none (HC-012) or the range cannot be read.
 */
export function chooseVersion(index: HelmIndex, name: string, range: string): IndexEntry {
  const entries = index.versions(name);
  if (entries === undefined) throw new Error("no chart name found");
  if (entries.length === 0) throw new Error("no chart version found");
  const exact = range === "" ? undefined : entries.find(({ version }) => version === range);
  if (exact !== undefined) return exact;
  const wanted = parseVersionRange(range === "" ? "*" : range);
  let best: { entry: IndexEntry; version: Version } | undefined;
  for (const entry of entries) {
    const version = parseVersion(entry.version);
    if (version === undefined || !satisfies(version, wanted)) continue;
    if (best === undefined || isBefore(best, { entry, version })) best = { entry, version };
  }
  if (best === undefined) throw new Error(`no '${name}' chart with version matching '${range}' found`);
  return best.entry;
}

/** Flux's order turns around what is wholly equal: the last of it is chosen. */
function isBefore(a: { entry: IndexEntry; version: Version }, b: { entry: IndexEntry; version: Version }): boolean {
  const order = compareVersions(a.version, b.version);
  return order === 0 ? compareTimes(a.entry.created, b.entry.created) <= 0 : order < 0;
}

/** Compares two times of RFC 3339 to the nanosecond. */
function compareTimes(a: string, b: string): number {
  const [left, right] = [nanoseconds(a), nanoseconds(b)];
  return left < right ? -1 : left > right ? 1 : 0;
}

function nanoseconds(text: string): bigint {
  const match = /^(.{19})(?:\.(\d{1,9}))?(.*)$/.exec(text);
  const [, seconds = "", fraction = "", zone = ""] = match ?? [];
  const milliseconds = Date.parse(`${seconds}${zone}`);
  return Number.isNaN(milliseconds) ? 0n : BigInt(milliseconds) * 1_000_000n + BigInt(fraction.padEnd(9, "0"));
}
