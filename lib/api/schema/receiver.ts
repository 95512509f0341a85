import { age, readiness, schedule } from "./column.ts";
import { conditions } from "./condition.ts";
import type { KindDefinition } from "./definition.ts";
import { objectSelection } from "./event-source.ts";
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

/** RC-001. */
const types = [
  "generic",
  "generic-hmac",
  "generic-oidc",
  "github",
  "gitlab",
  "bitbucket",
  "harbor",
  "dockerhub",
  "quay",
  "gcr",
  "nexus",
  "acr",
  "cdevents",
] as const;

const oidcProvider = object("An issuer of tokens that are accepted.", {
  issuerURL: text("Address of the issuer, as tokens state it.", { pattern: "^https?://" }),
  audience: optional(text("Audience that tokens must be for, by default `notification-controller`.")),
  variables: optional(
    list(
      "Named CEL expressions over `claims` and earlier variables, known to the validations as `vars.<name>`.",
      object("A variable.", {
        name: text("Name, a CEL identifier."),
        expression: text("CEL expression of the value."),
      }),
    ),
  ),
  validations: list(
    "What must hold for a token. Public issuers give tokens to anybody: at least one is needed.",
    object("A rule.", {
      expression: text("CEL expression that must be true."),
      message: text("What a sender is told when it is false."),
    }),
    { minItems: 1 },
  ),
});

/** `Receiver.spec`: RC-001, RC-003, RC-011. */
export const receiverSpec = object(
  "Who may call, and which objects are then reconciled.",
  {
    type: word("Who calls: it decides how a call is verified and read.", types),
    events: optional(
      list("Events that are accepted, by default all.", text("Name of an event, as the sender calls it.")),
    ),
    resources: list(
      "Objects that are reconciled.",
      object("Objects.", {
        ...objectSelection,
        filter: optional(
          text("CEL expression over `res`, `req` and `claims`; only objects for which it is true are reconciled."),
        ),
      }),
    ),
    resourceFilter: optional(text("CEL expression over `res`, `req` and `claims` that must be true for any object.")),
    secretRef: optional(
      localReference("Secret whose `token` senders know; for gcr also `email` and `audience`. Not for generic-oidc."),
    ),
    oidcProviders: optional(
      list("Issuers of tokens that are accepted, for generic-oidc.", oidcProvider, {
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["issuerURL"],
      }),
    ),
    interval: optional(text("How often the Secret is read anew.", { pattern: interval, default: "10m" })),
    suspend: optional(flag("Whether calls are refused.")),
  },
  [
    {
      rule: "self.type != 'generic-oidc' || (has(self.oidcProviders) && size(self.oidcProviders) > 0)",
      message: "generic-oidc receivers must define at least one oidcProvider",
    },
    {
      rule: "self.type == 'generic-oidc' || !has(self.oidcProviders) || size(self.oidcProviders) == 0",
      message: "oidcProviders can only be set when type is generic-oidc",
    },
    {
      rule: "self.type != 'generic-oidc' || !has(self.secretRef)",
      message: "secretRef cannot be set when type is generic-oidc",
    },
    {
      rule: "self.type == 'generic-oidc' || has(self.secretRef)",
      message: "secretRef is required when type is not generic-oidc",
    },
  ],
);

/** `Receiver.status`: RC-002, RC-013. */
export const receiverStatus = status("What is known of the Receiver.", {
  observedGeneration: optional(observedGeneration),
  conditions: optional(conditions),
  webhookPath: optional(text("Path that senders call: `/hook/` and the SHA-256 of token, name and namespace.")),
  lastHandledReconcileAt: optional(lastHandledReconcileAt),
});

/** Receiver. */
export const receiver: KindDefinition = {
  kind: "Receiver",
  group: "notification.toolkit.fluxcd.io",
  plural: "receivers",
  shortNames: [],
  category: "fluxcd-notifications",
  component: "notification-controller",
  description: "A path that the outside calls to have objects reconciled.",
  versions: ["v1", "v1beta3", "v1beta2", "v1beta1"],
  spec: receiverSpec,
  status: receiverStatus,
  columns: [age, ...readiness, ...schedule],
  selectableFields: [".status.webhookPath"],
};
