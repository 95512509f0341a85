import { setImmediate as turn } from "node:timers/promises";
import { messageOf } from "../text/error-message.ts";
import { compareVersions, parseVersion, type Version } from "../text/semver.ts";
import { parseVersionRange, satisfies } from "../text/semver-range.ts";

/** Which tags are versions that are wanted (OCI-004 to OCI-006). */
export type TagChoice = {
  /** A range in the dialect of Masterminds/semver. */
  semver: string;
  /** A regular expression in the dialect of RE2 that finds something in the tags to look at; all are looked at without. */
  filter?: string | undefined;
  /** Whether `_` in a tag stands for `+`, as Helm writes the tags of charts. */
  isChart?: boolean;
};

/** Of one expression: each step is taken for each character of each tag (SN-012). */
const filterLimits = { characters: 1000, steps: 5000 };
/** Characters of tags between two turns of the event loop, and a tag longer than any is. */
const workUnit = 16_384;
const tagLimit = 128;

/** Compiles the choice. The function resolves with the tag of the highest version. Both reject with Flux's sentence. */
export async function tagChooser({ semver, filter = "", isChart = false }: TagChoice) {
  const isLookedAt = filter === "" ? () => true : await compileFilter(filter);
  const range = readRange(semver);
  return async (tags: readonly string[], signal: AbortSignal): Promise<string> => {
    let highest: Version | undefined;
    let work = 0;
    for (const tag of tags) {
      if (tag.length > tagLimit) continue;
      work += tag.length;
      if (work > workUnit) {
        work = 0;
        await turn();
        signal.throwIfAborted();
      }
      if (!isLookedAt(tag)) continue;
      const version = parseVersion(isChart ? tag.replaceAll("_", "+") : tag);
      if (version === undefined || !satisfies(version, range)) continue;
      if (highest === undefined || compareVersions(version, highest) > 0) highest = version;
    }
    if (highest === undefined) throw new Error(`no match found for semver: ${semver}`);
    return isChart ? highest.original.replaceAll("+", "_") : highest.original;
  };
}

function readRange(semver: string) {
  try {
    return parseVersionRange(semver);
  } catch (error) {
    const words = messageOf(error);
    throw new Error(`semver '${semver.slice(0, 600)}' parse error: ${words}`, { cause: error });
  }
}

/** The engine of expressions is loaded for the few that have one. */
async function compileFilter(filter: string): Promise<(tag: string) => boolean> {
  if (filter.length > filterLimits.characters)
    throw new Error(`error parsing regexp: the expression is longer than ${filterLimits.characters} characters`);
  const { RE2JS } = await import("re2js");
  const pattern = RE2JS.compile(filter);
  if (pattern.programSize() > filterLimits.steps) throw new Error("error parsing regexp: the expression is too large");
  return (tag) => pattern.matcher(tag).find();
}
