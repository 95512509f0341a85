import type { Component } from "./kinds.ts";

const ofIdentity = "ObjectLevelWorkloadIdentity";

/** The feature gates that each controller of Flux 2.9 knows, those included that change nothing here (DEF-004). */
const knownGates: Record<Component, readonly string[]> = {
  "source-controller": ["CacheSecretsAndConfigMaps", ofIdentity],
  "source-watcher": ["DirectSourceFetch"],
  "kustomize-controller": [
    ...["AdditiveCELDependencyCheck", "CacheSecretsAndConfigMaps", "CancelHealthCheckOnNewRevision"],
    ...["DirectSourceFetch", "DisableConfigWatchers", "DisableFailFastBehavior", "DisableStatusPollerCache"],
    ...["ExternalArtifact", "GroupChangeLog", "MigrateAPIVersion", ofIdentity, "StrictPostBuildSubstitutions"],
  ],
  "notification-controller": ["CacheSecretsAndConfigMaps", "DisableConfigWatchers", ofIdentity],
};

/** What a placeholder's `--feature-gates` says, and why its controller would not start with it, a sentence each. */
export type FeatureGates = { gates: Record<string, boolean>; problems: string[] };

/**
 * Reads feature gates, each `Name=true` or `Name=false` as Go spells booleans, of which the last of a name counts. One that the component
 * does not know or that cannot be read is a problem, in the words of its controller, and turns nothing on, so that a slip of the pen changes
 * nothing else. Without a component the gates of all are known; what another controller knows is not for Sluice to say.
 */
export function readFeatureGates(texts: readonly string[], component?: string): FeatureGates {
  const known =
    component === undefined
      ? Object.values(knownGates).flat()
      : Object.entries(knownGates).find(([name]) => name === component)?.[1];
  const isKnown = (name: string) => known === undefined || known.includes(name);
  const gates = new Map<string, boolean>();
  const problems: string[] = [];
  for (const text of texts) {
    const [name = "", value] = splitOnce(text).map((part) => part.trim().slice(0, 100));
    const refused = (why: string) =>
      problems.push(`invalid argument ${JSON.stringify(text.slice(0, 200))} for "--feature-gates" flag: ${why}`);
    if (value === undefined) refused("malformed pair, expect string=bool");
    else if (/^(1|t|T|TRUE|true|True)$/.test(value)) gates.set(name, true);
    else if (/^(0|f|F|FALSE|false|False)$/.test(value)) gates.set(name, false);
    else
      refused(
        `invalid value of ${name}: ${value}, err: strconv.ParseBool: parsing ${JSON.stringify(value)}: invalid syntax`,
      );
  }
  for (const name of gates.keys())
    if (!isKnown(name)) problems.push(`unable to load feature gates: feature-gate '${name}' not supported`);
  return { gates: Object.fromEntries([...gates].filter(([name]) => isKnown(name))), problems };
}

function splitOnce(text: string): string[] {
  const at = text.indexOf("=");
  return at === -1 ? [text] : [text.slice(0, at), text.slice(at + 1)];
}
