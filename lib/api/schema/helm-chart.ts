import { accessFrom } from "./access-from.ts";
import { artifact } from "./artifact.ts";
import { age, readiness, schedule } from "./column.ts";
import { conditions } from "./condition.ts";
import type { KindDefinition } from "./definition.ts";
import {
  flag,
  interval,
  lastHandledReconcileAt,
  list,
  localReference,
  object,
  observedGeneration,
  optional,
  status,
  text,
  word,
} from "./field.ts";

const source = object("Where the chart is, in the same namespace.", {
  apiVersion: optional(text("Group and version of the source.")),
  kind: word("Kind of the source.", ["HelmRepository", "GitRepository", "Bucket"]),
  name: text("Name of the source."),
});

const identity = object("An identity of OpenID Connect; both are regular expressions.", {
  issuer: text("Issuer of the identity."),
  subject: text("Subject of the identity."),
});

const verification = object("How the signature of a chart in a registry is checked.", {
  provider: word("What the signature was made with.", ["cosign", "notation"], { default: "cosign" }),
  secretRef: optional(localReference("Secret with the public keys of trusted authors, or with a trust policy.")),
  matchOIDCIdentity: optional(list("Identities that are trusted where there is no Secret; by default all.", identity)),
});

/** `HelmChart.spec`: sources.md section 10; the last two fields are v1beta2's (CV-004). */
export const helmChartSpec = object(
  "Which chart of which source to offer as an artifact.",
  {
    chart: text("Name of the chart in a HelmRepository, or path in a GitRepository or Bucket."),
    version: optional(
      text("Range of versions; of a HelmRepository alone. By default the latest stable one.", { default: "*" }),
    ),
    sourceRef: source,
    interval: text("How often the source is checked for changes.", { pattern: interval }),
    reconcileStrategy: optional(
      word(
        "What makes a new artifact: another version in the chart, or another revision of the source.",
        ["ChartVersion", "Revision"],
        { default: "ChartVersion" },
      ),
    ),
    valuesFiles: optional(
      list("Files that are merged in this order into the chart's default values.", text("Path of a values file.")),
    ),
    ignoreMissingValuesFiles: optional(flag("Whether values files that are not there are left out silently.")),
    suspend: optional(flag("Whether the object is left alone.")),
    verify: optional(verification),
    valuesFile: optional(text("Deprecated and without effect.")),
    accessFrom: optional(accessFrom),
  },
  [
    {
      rule: "!has(self.verify) || self.sourceRef.kind == 'HelmRepository'",
      message: "spec.verify is only supported when spec.sourceRef.kind is 'HelmRepository'",
    },
  ],
);

/** `HelmChart.status`. */
export const helmChartStatus = status("What is known of the chart.", {
  observedGeneration: optional(observedGeneration),
  observedSourceArtifactRevision: optional(text("Revision of the source at the last attempt.")),
  observedChartName: optional(text("Name of the chart at the last build.")),
  observedValuesFiles: optional(
    list("Values files that the chart was built with, where missing ones are left out.", text("Path of a file.")),
  ),
  conditions: optional(conditions),
  url: optional(text("Stable address of the newest artifact.")),
  artifact: optional(artifact),
  lastHandledReconcileAt: optional(lastHandledReconcileAt),
});

/** HelmChart: SRC-001 to SRC-004, section 10. */
export const helmChart: KindDefinition = {
  kind: "HelmChart",
  group: "source.toolkit.fluxcd.io",
  plural: "helmcharts",
  shortNames: ["hc"],
  category: "fluxcd-sources",
  component: "source-controller",
  description: "A Helm chart that is found in a source and offered as an artifact.",
  versions: ["v1", "v1beta2"],
  spec: helmChartSpec,
  status: helmChartStatus,
  columns: [
    { name: "Chart", type: "string", jsonPath: ".spec.chart" },
    { name: "Version", type: "string", jsonPath: ".spec.version" },
    { name: "Source Kind", type: "string", jsonPath: ".spec.sourceRef.kind" },
    { name: "Source Name", type: "string", jsonPath: ".spec.sourceRef.name" },
    age,
    ...readiness,
    ...schedule,
  ],
  selectableFields: [".spec.sourceRef.name"],
};
