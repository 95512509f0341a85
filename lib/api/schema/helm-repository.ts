import { accessFrom } from "./access-from.ts";
import { artifact } from "./artifact.ts";
import { age, passivity, readiness, schedule } from "./column.ts";
import { conditions } from "./condition.ts";
import type { KindDefinition } from "./definition.ts";
import {
  flag,
  interval,
  lastHandledReconcileAt,
  localReference,
  object,
  observedGeneration,
  optional,
  shortInterval,
  status,
  text,
  word,
} from "./field.ts";

/** `HelmRepository.spec`: sources.md section 9. */
export const helmRepositorySpec = object("Which repository of charts to offer the index of, or to read charts from.", {
  url: text("Address of the repository: http or https for the type `default`, oci for the type `oci`.", {
    pattern: "^(http|https|oci)://.*$",
  }),
  type: optional(
    word(
      "`default`, which is also meant where nothing is said, fetches the index of a repository behind HTTP; `oci` is a registry that charts are pulled from.",
      ["default", "oci"],
    ),
  ),
  interval: optional(
    text("How often the index is fetched, by default every minute. Without effect for the type `oci`.", {
      pattern: interval,
    }),
  ),
  timeout: optional(
    text("How long fetching the index, or pulling a chart from a registry, may take, by default a minute.", {
      pattern: shortInterval,
    }),
  ),
  secretRef: optional(
    localReference(
      "Secret with `username` and `password`; for the type `oci` also one of the type kubernetes.io/dockerconfigjson.",
    ),
  ),
  certSecretRef: optional(
    localReference(
      "Secret with `tls.crt` and `tls.key` to show to the server, with `ca.crt` to trust besides the system's authorities, or both. It wins over such keys of `secretRef`.",
    ),
  ),
  passCredentials: optional(
    flag("Whether the credentials are sent to other hosts, too, where the index says that charts are there."),
  ),
  provider: optional(
    word("Whose kind of credentials is used for the type `oci`.", ["generic", "aws", "azure", "gcp"], {
      default: "generic",
    }),
  ),
  insecure: optional(flag("Whether a registry is asked over plain HTTP. Without effect for the type `default`.")),
  suspend: optional(flag("Whether the object is left alone.")),
  accessFrom: optional(accessFrom),
});

/** `HelmRepository.status`. */
export const helmRepositoryStatus = status("What is known of the repository. Empty for the type `oci`.", {
  observedGeneration: optional(observedGeneration),
  conditions: optional(conditions),
  url: optional(text("Address that always leads to the newest artifact.")),
  artifact: optional(artifact),
  lastHandledReconcileAt: optional(lastHandledReconcileAt),
});

/** HelmRepository: SRC-001 to SRC-004, HR-001. */
export const helmRepository: KindDefinition = {
  kind: "HelmRepository",
  group: "source.toolkit.fluxcd.io",
  plural: "helmrepositories",
  shortNames: ["helmrepo"],
  category: "fluxcd-sources",
  component: "source-controller",
  description: "A repository of Helm charts.",
  versions: ["v1", "v1beta2"],
  spec: helmRepositorySpec,
  status: helmRepositoryStatus,
  columns: [{ name: "URL", type: "string", jsonPath: ".spec.url" }, age, ...readiness, ...schedule, ...passivity],
  selectableFields: [],
};
