/**
 * A version as Masterminds/semver v3 reads it. Numbers are unsigned 64-bit integers; `original` is the text it was read from.
 */
export type Version = {
  major: bigint;
  minor: bigint;
  patch: bigint;
  prerelease: string;
  metadata: string;
  original: string;
};

const identifiers = "[0-9A-Za-z-]+(?:\\.[0-9A-Za-z-]+)*";
const loose = new RegExp(`^v?([0-9]+)(?:\\.([0-9]+))?(?:\\.([0-9]+))?(?:-(${identifiers}))?(?:\\+(${identifiers}))?$`);
const largest = 2n ** 64n - 1n;
/** Longer texts are no versions: a tag or a range of this length is an attack or a mistake. */
const lengthLimit = 1024;

/** Reads a version as `semver.NewVersion` does: `v`, leading zeros and missing parts are tolerated. Undefined for what is none. */
export function parseLooseVersion(text: string): Version | undefined {
  const match = text.length > lengthLimit ? null : loose.exec(text);
  if (match === null) return undefined;
  const [, major = "", minor = "0", patch = "0", prerelease = "", metadata = ""] = match;
  const numbers = { major: BigInt(major), minor: BigInt(minor), patch: BigInt(patch) };
  if (Object.values(numbers).some((number) => number > largest)) return undefined;
  if (prerelease.split(".").some((part) => /^0[0-9]+$/.test(part))) return undefined;
  return { ...numbers, prerelease, metadata, original: text };
}

/** Reads a tag as Flux does (GIT-008): a version with all three parts. Undefined for what is none. */
export function parseVersion(text: string): Version | undefined {
  return text.split(".").length < 3 ? undefined : parseLooseVersion(text);
}

/** Negative where `a` is lower, 0 where they are equal but for build metadata. */
export function compareVersions(a: Version, b: Version): number {
  for (const part of ["major", "minor", "patch"] as const) {
    if (a[part] !== b[part]) return a[part] < b[part] ? -1 : 1;
  }
  if (a.prerelease === b.prerelease) return 0;
  if (a.prerelease === "") return 1;
  if (b.prerelease === "") return -1;
  return comparePrereleases(a.prerelease, b.prerelease);
}

/** Compares part by part: numbers as numbers and below words, words by their bytes; a missing part is lowest. */
export function comparePrereleases(a: string, b: string): number {
  const [left, right] = [a.split("."), b.split(".")];
  for (let index = 0; index < Math.max(left.length, right.length); index++) {
    const order = comparePart(left[index] ?? "", right[index] ?? "");
    if (order !== 0) return order;
  }
  return 0;
}

function comparePart(a: string, b: string): number {
  if (a === b) return 0;
  if (a === "") return -1;
  if (b === "") return 1;
  const [left, right] = [numberOf(a), numberOf(b)];
  if (left !== undefined && right !== undefined) return left > right ? 1 : -1;
  if (left !== undefined) return -1;
  if (right !== undefined) return 1;
  return a > b ? 1 : -1;
}

function numberOf(part: string): bigint | undefined {
  if (!/^[0-9]+$/.test(part)) return undefined;
  const number = BigInt(part);
  return number > largest ? undefined : number;
}
