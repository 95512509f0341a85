import { parseLooseVersion } from "../text/semver.ts";
import type { Decoded } from "./index-decode.ts";

const aliasSyntax = /^[a-zA-Z0-9_-]+$/;
const sanitizedFields = ["name", "description", "home", "icon", "condition", "tags", "appVersion", "kubeVersion"];

/**
 * Cleans a version's metadata in place and says what speaks against it, as Helm's `chart.Metadata.Validate` does. More than one
 * dependency of a name is tolerated, as in Helm and Flux: repositories strip aliases from their indexes (HR-005). Undefined where it
 * is valid.
 */
export function objectionTo(entry: Decoded): string | undefined {
  for (const field of sanitizedFields) clean(entry, field);
  for (const field of ["sources", "keywords"]) cleanList(entry, field);
  const { name, version, type, maintainers, dependencies } = entry;
  if (typeof name !== "string" || name === "") return "chart.metadata.name is required";
  if (name === "." || name === "..") return `chart.metadata.name ${JSON.stringify(name)} is not allowed`;
  if (name.includes("/")) return `chart.metadata.name ${JSON.stringify(name)} is invalid`;
  if (typeof version !== "string" || version === "") return "chart.metadata.version is required";
  if (parseLooseVersion(version) === undefined) return `chart.metadata.version ${JSON.stringify(version)} is invalid`;
  if (type !== undefined && type !== "" && type !== "application" && type !== "library")
    return "chart.metadata.type must be application or library";
  for (const maintainer of partsOf(maintainers)) {
    if (maintainer === undefined) return "maintainers must not contain empty or null nodes";
    for (const field of ["name", "email", "url"]) clean(maintainer, field);
  }
  return objectionToDependencies(partsOf(dependencies));
}

function objectionToDependencies(dependencies: readonly (Decoded | undefined)[]): string | undefined {
  const known = new Set<unknown>();
  for (const dependency of dependencies) {
    if (dependency === undefined) return "dependencies must not contain empty or null nodes";
    for (const field of ["name", "version", "repository", "condition"]) clean(dependency, field);
    cleanList(dependency, "tags");
    const { alias, name = "" } = dependency;
    if (typeof alias === "string" && alias !== "" && !aliasSyntax.test(alias))
      return `dependency ${JSON.stringify(name)} has disallowed characters in the alias`;
    const key = alias === undefined || alias === "" ? name : alias;
    // Helm looks no further, and leaves what follows as it is.
    if (known.has(key)) return undefined;
    known.add(key);
  }
  return undefined;
}

function partsOf(list: unknown): (Decoded | undefined)[] {
  return Array.isArray(list) ? list.map((part: unknown) => (isDecoded(part) ? part : undefined)) : [];
}

function isDecoded(value: unknown): value is Decoded {
  return typeof value === "object" && value !== null;
}

function clean(entry: Decoded, field: string): void {
  const value = entry[field];
  if (typeof value === "string") entry[field] = sanitized(value);
}

function cleanList(entry: Decoded, field: string): void {
  const value = entry[field];
  if (Array.isArray(value))
    entry[field] = value.map((item: unknown) => (typeof item === "string" ? sanitized(item) : item));
}

/** White space becomes blanks, and what cannot be printed goes. */
function sanitized(text: string): string {
  if (/^[\x20-\x7e]*$/.test(text)) return text;
  return text.replace(/[\p{White_Space}]/gu, " ").replace(/[^ \p{L}\p{M}\p{N}\p{P}\p{S}]/gu, "");
}
