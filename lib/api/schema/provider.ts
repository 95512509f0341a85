import { age } from "./column.ts";
import type { KindDefinition } from "./definition.ts";
import { flag, interval, localReference, object, optional, shortInterval, text, word } from "./field.ts";

/** The types of Flux 2.9 (PR-001). */
const types = [
  "slack",
  "discord",
  "msteams",
  "rocket",
  "generic",
  "generic-hmac",
  "github",
  "gitlab",
  "gitea",
  "giteapullrequestcomment",
  "bitbucketserver",
  "bitbucket",
  "azuredevops",
  "googlechat",
  "googlepubsub",
  "webex",
  "sentry",
  "azureeventhub",
  "telegram",
  "lark",
  "matrix",
  "opsgenie",
  "alertmanager",
  "grafana",
  "githubdispatch",
  "githubpullrequestcomment",
  "gitlabmergerequestcomment",
  "pagerduty",
  "datadog",
  "nats",
  "zulip",
  "otel",
] as const;

const commitStatusTypes = ["github", "gitlab", "gitea", "bitbucketserver", "bitbucket", "azuredevops"];

/** `Provider.spec`: PR-001 to PR-013. */
export const providerSpec = object(
  "Where events are sent, and how.",
  {
    type: word("What kind of service it is.", types),
    address: optional(
      text("Where the service is: a URL, a project, a namespace, as its type needs.", { maxLength: 2048 }),
    ),
    channel: optional(text("Channel of the service.", { maxLength: 2048 })),
    username: optional(text("Name that events are posted under.", { maxLength: 2048 })),
    timeout: optional(text("How long sending may take, with all that is tried again.", { pattern: shortInterval })),
    secretRef: optional(localReference("Secret with the credentials.")),
    certSecretRef: optional(localReference("Secret with certificates: `ca.crt`, and `tls.crt` with `tls.key`.")),
    proxySecretRef: optional(localReference("Secret with the `address`, `username` and `password` of a proxy.")),
    serviceAccountName: optional(text("ServiceAccount whose cloud identity is used.")),
    commitStatusExpr: optional(
      text("CEL expression over `event`, `alert` and `provider` that gives the name of a commit status."),
    ),
    proxy: optional(
      text("Deprecated: use `proxySecretRef`. Address of a proxy.", {
        maxLength: 2048,
        pattern: "^(http|https)://.*$",
      }),
    ),
    interval: optional(text("Deprecated and without effect.", { pattern: interval })),
    suspend: optional(flag("Whether nothing is sent.")),
  },
  [
    {
      rule: [...commitStatusTypes.map((type) => `self.type == '${type}'`), "!has(self.commitStatusExpr)"].join(" || "),
      message: `spec.commitStatusExpr is only supported for the ${commitStatusTypes.map((type) => `'${type}'`).join(", ")} provider types`,
    },
  ],
);

/** Provider: PR-015 (it has no status). */
export const provider: KindDefinition = {
  kind: "Provider",
  group: "notification.toolkit.fluxcd.io",
  plural: "providers",
  shortNames: [],
  category: "fluxcd-notifications",
  component: "notification-controller",
  description: "A service that events are sent to.",
  versions: ["v1beta3", "v1beta2", "v1beta1"],
  spec: providerSpec,
  columns: [age],
  selectableFields: [],
};
