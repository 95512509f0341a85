import { accessFrom } from "./access-from.ts";
import { artifact } from "./artifact.ts";
import { age, readiness, schedule } from "./column.ts";
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

const securityTokens = object("The Security Token Service that gives temporary credentials.", {
  provider: word("Whose it is.", ["aws", "ldap"]),
  endpoint: text("Its address.", { pattern: "^(http|https)://.*$" }),
  secretRef: optional(localReference("Secret with `username` and `password`; for the provider `ldap` alone.")),
  certSecretRef: optional(
    localReference("Secret with the certificates to reach it with; for the provider `ldap` alone."),
  ),
});

/** `Bucket.spec`: sources.md section 11; the last field is v1beta2's (CV-005). */
export const bucketSpec = object(
  "Which objects of which bucket to offer as an artifact.",
  {
    provider: optional(
      word("Whose API the bucket has; `generic` is that of S3.", ["generic", "aws", "gcp", "azure"], {
        default: "generic",
      }),
    ),
    bucketName: text("Name of the bucket, or of the container."),
    endpoint: text("`host[:port]` of the object store; for the provider `azure` a URL."),
    region: optional(text("Region that the bucket is in.")),
    prefix: optional(text("Objects whose keys do not begin with it are left out.")),
    insecure: optional(flag("Whether plain HTTP is spoken.")),
    sts: optional(securityTokens),
    secretRef: optional(localReference("Secret with credentials; which keys, depends on the provider.")),
    serviceAccountName: optional(text("ServiceAccount whose cloud identity is used.")),
    certSecretRef: optional(
      localReference("Secret with `ca.crt`, and with `tls.crt` and `tls.key`, to reach the object store with."),
    ),
    proxySecretRef: optional(localReference("Secret with the `address`, `username` and `password` of a proxy.")),
    interval: text("How often the bucket is checked for changes.", { pattern: interval }),
    timeout: optional(
      text("How long listing, and then downloading, may take.", { pattern: shortInterval, default: "60s" }),
    ),
    ignore: optional(text("Patterns of objects to leave out, in the format of .sourceignore.")),
    suspend: optional(flag("Whether the object is left alone.")),
    accessFrom: optional(accessFrom),
  },
  [
    {
      rule: "self.provider == 'aws' || self.provider == 'generic' || !has(self.sts)",
      message: "STS configuration is only supported for the 'aws' and 'generic' Bucket providers",
    },
    {
      rule: "self.provider != 'aws' || !has(self.sts) || self.sts.provider == 'aws'",
      message: "'aws' is the only supported STS provider for the 'aws' Bucket provider",
    },
    {
      rule: "self.provider != 'generic' || !has(self.sts) || self.sts.provider == 'ldap'",
      message: "'ldap' is the only supported STS provider for the 'generic' Bucket provider",
    },
    {
      rule: "!has(self.sts) || self.sts.provider != 'aws' || !has(self.sts.secretRef)",
      message: "spec.sts.secretRef is not required for the 'aws' STS provider",
    },
    {
      rule: "!has(self.sts) || self.sts.provider != 'aws' || !has(self.sts.certSecretRef)",
      message: "spec.sts.certSecretRef is not required for the 'aws' STS provider",
    },
    {
      rule: "self.provider != 'generic' || !has(self.serviceAccountName)",
      message: "ServiceAccountName is not supported for the 'generic' Bucket provider",
    },
    {
      rule: "!has(self.secretRef) || !has(self.serviceAccountName)",
      message: "cannot set both .spec.secretRef and .spec.serviceAccountName",
    },
  ],
);

/** `Bucket.status`. */
export const bucketStatus = status("What is known of the bucket.", {
  observedGeneration: optional(observedGeneration),
  conditions: optional(conditions),
  url: optional(text("Address at which the newest artifact is found.")),
  artifact: optional(artifact),
  observedIgnore: optional(text("`spec.ignore` as the artifact was made with.")),
  lastHandledReconcileAt: optional(lastHandledReconcileAt),
});

/** Bucket: SRC-001 to SRC-004, BKT-001. */
export const bucket: KindDefinition = {
  kind: "Bucket",
  group: "source.toolkit.fluxcd.io",
  plural: "buckets",
  shortNames: [],
  category: "fluxcd-sources",
  component: "source-controller",
  description: "A bucket whose objects are offered as an artifact.",
  versions: ["v1", "v1beta2"],
  spec: bucketSpec,
  status: bucketStatus,
  columns: [{ name: "Endpoint", type: "string", jsonPath: ".spec.endpoint" }, age, ...readiness, ...schedule],
  selectableFields: [],
};
