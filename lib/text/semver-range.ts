import { comparePrereleases, compareVersions, parseLooseVersion, type Version } from "./semver.ts";

/** A range in the dialect of Masterminds/semver v3 (GIT-009, SN-013): alternatives, each of conditions that must all hold. */
export type VersionRange = readonly Alternative[];
type Alternative = { prereleases: boolean; conditions: Condition[] };
/** A condition. `unknown` is the first part that was left out or written as `x`; everything from it on is 0 in `version`. */
type Condition = { operator: Operator; version: Version; unknown: "major" | "minor" | "patch" | undefined };
type Operator = keyof typeof checks;

const identifiers = "[0-9A-Za-z-]+(?:\\.[0-9A-Za-z-]+)*";
const part = "[0-9|x|X|*]+";
const versionText = `v?(${part})(?:(\\.${part})(\\.${part})?)?(?:(-${identifiers}))?(?:\\+${identifiers})?`;
const anonymous = versionText.replaceAll(/\((?!\?)/g, "(?:");
const operators = "=||!=|>|<|>=|=>|<=|=<|~|~>|\\^";
const rangeSyntax = new RegExp(`\\s*(${anonymous})\\s+-\\s+(${anonymous})\\s*`, "g");
const conditionSyntax = new RegExp(`^\\s*(${operators})\\s*(?:${versionText})\\s*$`);
const eachCondition = new RegExp(`(?:=>|>=|<=|=<|!=|~>|[=<>~^])?\\s*${anonymous}`, "g");
const wholeSyntax = new RegExp(
  `^\\s*(?:${operators})\\s*${anonymous}\\s*(?:(?:\\s+|,\\s*)(?:${operators})\\s*${anonymous}\\s*)*$`,
);
/** Ranges are written by hand; the patterns above take time by the square of the length. */
const lengthLimit = 512;

/** Reads a range. Throws Error with Masterminds' words for one that cannot be read. */
export function parseVersionRange(text: string): VersionRange {
  if (text.length > lengthLimit) throw new Error(`improper constraint: longer than ${lengthLimit} characters`);
  const rewritten = text.replace(rangeSyntax, (_, low: string, high: string) => `>= ${low}, <= ${high} `);
  return rewritten.split("||").map((alternative) => {
    // Blanks count once, and none around a comma: what can be read in one way alone takes no time to refuse.
    const plain = alternative.replace(/\s+/g, " ").replace(/ ?, ?/g, ",");
    if (!wholeSyntax.test(plain)) throw improper(alternative);
    const conditions = (plain.match(eachCondition) ?? []).map(parseCondition);
    return { prereleases: conditions.some(({ version }) => version.prerelease !== ""), conditions };
  });
}

/** Whether a version lies within the range. A pre-release does only where its alternative names one. */
export function satisfies(version: Version, range: VersionRange): boolean {
  return range.some(
    ({ prereleases, conditions }) =>
      (prereleases || version.prerelease === "") &&
      conditions.every((condition) => checks[condition.operator](version, condition)),
  );
}

function improper(text: string): Error {
  return new Error(`improper constraint: ${JSON.stringify(text)}`);
}

function parseCondition(text: string): Condition {
  const match = conditionSyntax.exec(text);
  if (match === null) throw improper(text);
  const [, operator = "", major = "", minor = "", patch = "", prerelease = ""] = match;
  const unknown = isUnknown(major)
    ? "major"
    : isUnknown(minor.slice(1))
      ? "minor"
      : isUnknown(patch.slice(1))
        ? "patch"
        : undefined;
  const known = { major: "0.0.0", minor: `${major}.0.0`, patch: `${major}${minor}.0` };
  const version = parseLooseVersion(unknown === undefined ? withoutOperator(text) : `${known[unknown]}${prerelease}`);
  if (version === undefined || !isOperator(operator)) throw new Error("constraint parser error");
  return { operator, version, unknown };
}

function withoutOperator(text: string): string {
  return text.trim().replace(/^[=<>!~^\s]+/, "");
}

function isUnknown(text: string): boolean {
  return text === "" || text === "x" || text === "X" || text === "*";
}

function isOperator(text: string): text is Operator {
  return Object.hasOwn(checks, text);
}

type Check = (version: Version, condition: Condition) => boolean;

const equal: Check = (version, condition) =>
  condition.unknown === undefined ? compareVersions(version, condition.version) === 0 : tilde(version, condition);

const notEqual: Check = (version, { version: other, unknown }) => {
  if (unknown === undefined || unknown === "major") return compareVersions(version, other) !== 0;
  if (version.major !== other.major) return true;
  if (unknown === "minor") return false;
  if (version.minor !== other.minor) return true;
  if (version.prerelease === "" && other.prerelease === "") return false;
  return comparePrereleases(version.prerelease, other.prerelease) !== 0;
};

const greater: Check = (version, { version: other, unknown }) => {
  if (unknown === undefined || unknown === "major") return compareVersions(version, other) > 0;
  if (version.major !== other.major) return version.major > other.major;
  return unknown === "patch" && version.minor > other.minor;
};

const less: Check = (version, { version: other }) => compareVersions(version, other) < 0;

const atLeast: Check = (version, { version: other }) => compareVersions(version, other) >= 0;

const atMost: Check = (version, { version: other, unknown }) => {
  if (unknown === undefined) return compareVersions(version, other) <= 0;
  if (version.major > other.major) return false;
  return !(version.major === other.major && version.minor > other.minor && unknown !== "minor");
};

/** `~1.2.3` is `>=1.2.3 <1.3.0`; `~1` is `>=1.0.0 <2.0.0`; `~0.0.0` and `~x` are everything. */
const tilde: Check = (version, { version: other, unknown }) => {
  if (compareVersions(version, other) < 0) return false;
  const zero = other.major === 0n && other.minor === 0n && other.patch === 0n;
  if (zero && unknown !== "minor" && unknown !== "patch") return true;
  return version.major === other.major && (version.minor === other.minor || unknown === "minor");
};

/** `^1.2.3` is `>=1.2.3 <2.0.0`; `^0.2.3` is `>=0.2.3 <0.3.0`; `^0.0.3` is `>=0.0.3 <0.0.4`. */
const caret: Check = (version, { version: other, unknown }) => {
  if (compareVersions(version, other) < 0) return false;
  if (other.major > 0n || unknown === "minor") return version.major === other.major;
  if (version.major > 0n) return false;
  if (other.minor > 0n || unknown === "patch") return version.minor === other.minor;
  return version.minor === 0n && version.patch === other.patch;
};

const checks = {
  "": equal,
  "=": equal,
  "!=": notEqual,
  ">": greater,
  "<": less,
  ">=": atLeast,
  "=>": atLeast,
  "<=": atMost,
  "=<": atMost,
  "~": tilde,
  "~>": tilde,
  "^": caret,
} as const;
