import type { Logger } from "../platform/ports.ts";

/** The feature gates of Flux 2.9's controllers, those included that change nothing here (DEF-004). */
const knownGates = new Set([
  ...["AdditiveCELDependencyCheck", "CacheSecretsAndConfigMaps", "CancelHealthCheckOnNewRevision"],
  ...["DirectSourceFetch", "DisableConfigWatchers", "DisableFailFastBehavior", "DisableStatusPollerCache"],
  ...["ExternalArtifact", "GroupChangeLog", "MigrateAPIVersion", "ObjectLevelWorkloadIdentity"],
  ...["StrictPostBuildSubstitutions"],
  // helm-controller's, and those of the image controllers.
  ...["AdoptLegacyReleases", "AllowDNSLookups", "CorrectDrift", "DefaultToRetryOnFailure", "DetectDrift"],
  ...["DisableChartDigestTracking", "OOMWatch", "UseHelm3Defaults"],
  ...["GitAllBranchReferences", "GitForcePushBranch", "GitShallowClone", "GitSparseCheckout"],
]);

/**
 * Reads feature gates, each `Name=true` or `Name=false`, of which the last of a name counts. A controller of Flux does not start with
 * one that it does not know or cannot read; here it is told of and turns nothing on, so that a slip of the pen changes nothing else.
 */
export function parseFeatureGates(texts: readonly string[], log: Logger): Record<string, boolean> {
  const gates = new Map<string, boolean>();
  for (const text of texts) {
    const [name = "", value = "true"] = text.split("=", 2).map((part) => part.trim());
    if (!knownGates.has(name)) log.error(`feature-gate '${name.slice(0, 100)}' not supported: it is not looked at`);
    else if (/^(1|t|true)$/i.test(value)) gates.set(name, true);
    else if (/^(0|f|false)$/i.test(value)) gates.set(name, false);
    else log.error(`the value of feature-gate '${name}' is not a boolean: it is not looked at`, { value });
  }
  return Object.fromEntries(gates);
}
