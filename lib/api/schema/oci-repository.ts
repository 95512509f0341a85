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
  shortInterval,
  status,
  text,
  word,
} from "./field.ts";

const reference = object("Which artifact of the repository; the tag `latest` where nothing is said.", {
  digest: optional(text("Digest of a manifest, `sha256:<hex>`. It has precedence over `semver`.")),
  semver: optional(text("Range of versions; the highest tag within it is taken. It has precedence over `tag`.")),
  semverFilter: optional(text("Regular expression that a tag must have a match of to be looked at for `semver`.")),
  tag: optional(text("Tag, by default `latest`.")),
});

const layerSelector = object("Which layer of the artifact, and what becomes of it; by default the first is unpacked.", {
  mediaType: optional(text("Media type of the layer; the first that has it is taken.")),
  operation: optional(word("`extract` unpacks the layer, `copy` stores it as it is.", ["extract", "copy"])),
});

const verification = object("How the signature of the artifact is checked.", {
  provider: word("What it is signed with.", ["cosign", "notation"], { default: "cosign" }),
  secretRef: optional(localReference("Secret with the public keys, or the certificates and policy, that are trusted.")),
  trustedRootSecretRef: optional(
    localReference(
      "Secret with `trusted_root.json`, of an infrastructure of Sigstore's kind that is not the public one.",
    ),
  ),
  matchOIDCIdentity: optional(
    list(
      "Who may have signed where there is no key: one of these must match.",
      object("An identity of a certificate of Fulcio.", {
        issuer: text("Regular expression that must match the issuer."),
        subject: text("Regular expression that must match the subject."),
      }),
    ),
  ),
});

/** `OCIRepository.spec`: sources.md section 7. */
export const ociRepositorySpec = object("Which artifact of which repository of a registry to offer.", {
  url: text("Address of the repository, `oci://<host>/<path>`, without a tag.", { pattern: "^oci://.*$" }),
  interval: text("How often the repository is checked for changes.", { pattern: interval }),
  timeout: optional(
    text("How long getting credentials, asking for a digest and checking a signature may take.", {
      pattern: shortInterval,
      default: "60s",
    }),
  ),
  ref: optional(reference),
  layerSelector: optional(layerSelector),
  provider: optional(
    word("Whose kind of credentials is used where no Secret has them.", ["generic", "aws", "azure", "gcp"], {
      default: "generic",
    }),
  ),
  secretRef: optional(localReference("Secret of the type kubernetes.io/dockerconfigjson.")),
  serviceAccountName: optional(
    text("ServiceAccount whose pull secrets are used, or its cloud identity where it has none."),
  ),
  certSecretRef: optional(
    localReference(
      "Secret with `tls.crt` and `tls.key` to show to the registry, with `ca.crt` to trust besides the system's authorities, or both.",
    ),
  ),
  proxySecretRef: optional(localReference("Secret with the `address`, `username` and `password` of a proxy.")),
  verify: optional(verification),
  ignore: optional(
    text("Patterns of files to leave out, in the format of .sourceignore. They replace the default ones."),
  ),
  insecure: optional(
    flag(
      "Whether the registry may be asked over plain HTTP, and without `certSecretRef` whether its certificate may be of anybody.",
    ),
  ),
  suspend: optional(flag("Whether the object is left alone.")),
});

/** `OCIRepository.status`. */
export const ociRepositoryStatus = status("What is known of the repository.", {
  observedGeneration: optional(observedGeneration),
  conditions: optional(conditions),
  url: optional(text("Address that always leads to the newest artifact.")),
  artifact: optional(artifact),
  observedIgnore: optional(text("`spec.ignore` as the artifact was made with.")),
  observedLayerSelector: optional(layerSelector),
  lastHandledReconcileAt: optional(lastHandledReconcileAt),
});

/** OCIRepository: SRC-001 to SRC-004, OCI-001. */
export const ociRepository: KindDefinition = {
  kind: "OCIRepository",
  group: "source.toolkit.fluxcd.io",
  plural: "ocirepositories",
  shortNames: ["ocirepo"],
  category: "fluxcd-sources",
  component: "source-controller",
  description: "An artifact in a container registry whose content is offered as an artifact.",
  versions: ["v1", "v1beta2"],
  spec: ociRepositorySpec,
  status: ociRepositoryStatus,
  columns: [{ name: "URL", type: "string", jsonPath: ".spec.url" }, ...readiness, age, ...schedule],
  selectableFields: [],
};
