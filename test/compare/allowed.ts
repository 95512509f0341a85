import type { Difference } from "./compare.ts";

/** Words that one side uses and that are meant to be other in the other: both become the same. */
export type Rewrite = { why: string; from: RegExp; to: string };

/** A difference that is meant, and why. */
export type Allowed = { why: string; is(difference: Difference, name: string, all: readonly Difference[]): boolean };

/** What is other in texts, wherever it is told. */
export const rewrites: readonly Rewrite[] = [
  {
    why: "a query is told nowhere (SEC-012)",
    from: /\?service=git-upload-pack|\/\?location=/g,
    to: "",
  },
  {
    why: "what lies in a temporary directory is told without it",
    from: /(stat|open|lstat) \/(?:source\/|unpack\/)?/g,
    to: "$1 /",
  },
  {
    why: "what lies in a temporary directory is told without it",
    from: /(does not exist in repository): lstat \S+:/g,
    to: "$1:",
  },
  {
    why: "what lies in a temporary directory is told without it",
    from: /cannot stat \S+: stat \S+:|cannot stat \S+:/g,
    to: "cannot stat:",
  },
  {
    why: "what lies in a temporary directory is told without it",
    from: /link error: cannot rename \S* to \S*: rename \S* \S*: /g,
    to: "",
  },
  {
    why: "what lies in a temporary directory is told without it",
    from: /(failed to extract tarball "[^"]*" to) "[^"]*"/g,
    to: "$1 <directory>",
  },
  {
    why: "a parser of YAML or JSON has words of its own for what it cannot read",
    from: /(?:error converting YAML to JSON: )?(?:\byaml: )?(?:unmarshal errors:\s+)?line \d+: [^(]*(?= \(|$)/g,
    to: "<what cannot be read>",
  },
  {
    why: "a parser of YAML or JSON has words of its own for what it cannot read",
    from: /(failed to load index): (?!no API|empty)[^(]*(?= \(|$)/g,
    to: "$1: <what cannot be read>",
  },
  {
    why: "a parser of YAML or JSON has words of its own for what it cannot read",
    from: /(error occurred while parsing trustpolicy\.json): [^(]*(?= \(|$)/g,
    to: "$1",
  },
  {
    why: "every key of a chart is tried (VER-018): what one of them says is not told",
    from: /(chart verification error: failed to verify \S+): no (?:signatures found|matching signatures were found for '[^']*')/g,
    to: "$1",
  },
  {
    why: "what a server says is told where it is plain text, in one line",
    from: /(repository not found|authentication required)(?::[^(]*)?(?= \(|$)/g,
    to: "$1",
  },
  {
    why: "a submodule that cannot be fetched is named",
    from: /submodule '[^']*' at '[^']*': /g,
    to: "",
  },
  {
    why: "nothing is asked that need not be, such as where a bucket is: what cannot be reached is told of another request",
    from: /(?:Get|Head) "(https?:\/\/[^/"]+)\/buckets-plain\/?"/g,
    to: 'Ask "$1"',
  },
  {
    why: "nothing is asked that need not be, such as where a bucket is: what cannot be reached is told of another request",
    from: /(failed to confirm existence of '[^']*' bucket): (?:The request signature we calculated does not match the signature you provided\.|Access Denied\.)/g,
    to: "$1: <refused>",
  },
  {
    why: "nothing is asked that need not be, such as whether a host is a registry: what cannot be reached is told of another request",
    from: /(failed to determine artifact digest): (?:Get|Head) "https:\/\/127\.0\.0\.1:1\/v2\/.*?connection refused(?:; .*?connection refused)?/g,
    to: "$1: <refused>",
  },
  {
    why: "an insecure registry of charts may speak TLS, too",
    from: /Get "https?:\/\/127\.0\.0\.1:1\/v2\/charts\/piece/g,
    to: 'Get "http://127.0.0.1:1/v2/charts/piece',
  },
  {
    why: "two objects of one name: it depends on which is downloaded first",
    from: /(fetch from bucket 'buckets-clash' failed): [^(]*(?= \(|$)/g,
    to: "$1",
  },
  {
    why: "only a look that finds the chart stored names values files that are all missing: it depends on whether there was one",
    from: /(packaged 'web' chart with version '1\.1\.0\+1') and merged values files \[absent\.yaml\]/g,
    to: "$1",
  },
  {
    why: "a tag in a URL is named (OCI-001)",
    from: /(URL validation failed for '[^']*:latest'): [^(]*(?= \(|$)/g,
    to: "$1",
  },
];

/** The words of a look that has found nothing to do. */
const unchanged =
  /(ArtifactUpToDate|GitOperationSucceeded|Ready): (artifact up-to-date|no changes since|No drift detected)/;

/** Differences that docs/differences.md names, or a row's note. */
export const allowed: readonly Allowed[] = [
  {
    why: "who is looked at once more than in the other, and has not changed, says so",
    is: ({ place, flux }, _name, all) => {
      const object = objectOf(place);
      const other = all.filter((one) => unchanged.test(one.place) && objectOf(one.place) === object);
      return unchanged.test(place) && other.every((one) => (one.flux === undefined) === (flux === undefined));
    },
  },
  {
    why: "each Event is one of its own: Flux counts those that say the same, and keeps the first one's annotations",
    is: ({ place, flux, sluice }) =>
      place.startsWith("at last: Event of") &&
      flux !== undefined &&
      sluice !== undefined &&
      flux.split(" | ").every((one) => sluice.split(" | ").includes(one)),
  },
  {
    why: "what a chart depends on is packed by names, in Flux by which is there first",
    is: ({ place, flux, sluice }) =>
      place.includes("HelmChart/umbrella artifact entries in order") && sortedWords(flux) === sortedWords(sluice),
  },
  {
    why: "who waits for a source is woken when it offers something, and not when it offers nothing (SB-007)",
    is: ({ place, sluice }, name) => name === "storage" && sluice === undefined && place.includes("NoSourceArtifact"),
  },
  {
    why: "garbage is collected when an artifact is stored, not at the next look",
    is: ({ place }) => place.includes("GarbageCollectionSucceeded: garbage collected 1 artifacts"),
  },
  {
    why: "the digest of a generator's sources is made of their artifacts' addresses and digests (AG-007)",
    is: ({ place }) => place.endsWith("status.observedSourcesDigest"),
  },
  {
    why: "SourceVerified goes with spec.verify (GIT-084), in Flux with the next commit",
    is: ({ place, sluice }, name) =>
      name === "git verification" &&
      sluice === undefined &&
      /edited: GitRepository\/ssh-head status\.(conditions\[SourceVerified\]|sourceVerificationMode)/.test(place),
  },
  {
    why: "an entry of an index that is null is passed over (HR-005), and Flux does not survive it",
    is: ({ place }, name) => name === "helm indexes" && place.includes("HelmRepository/nil-entries"),
  },
  {
    why: "no object uses the connection of another one (GE-015)",
    is: ({ place }, name) => name === "helm repositories" && place.includes("HelmRepository/unknown-authority"),
  },
];

function sortedWords(text = ""): string {
  return text.split(" ").sort().join(" ");
}

function objectOf(place: string): string {
  return / of (\S+):/.exec(place)?.[1] ?? "";
}
