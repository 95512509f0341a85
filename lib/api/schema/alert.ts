import { age } from "./column.ts";
import type { KindDefinition } from "./definition.ts";
import { objectSelection } from "./event-source.ts";
import { flag, list, localReference, object, optional, text, textMap, word } from "./field.ts";

/** `Alert.spec`: AL-001 to AL-009. */
export const alertSpec = object("Which events go to which Provider.", {
  providerRef: localReference("The Provider that the events go to."),
  eventSources: list("Objects whose events are taken.", object("Objects.", objectSelection)),
  eventSeverity: optional(
    word("`info` takes every event, `error` only failures.", ["info", "error"], { default: "info" }),
  ),
  inclusionList: optional(
    list("Regular expressions; one must match the message.", text("A regular expression as Go has them.")),
  ),
  exclusionList: optional(
    list("Regular expressions; none may match the message.", text("A regular expression as Go has them.")),
  ),
  eventMetadata: optional(textMap("What is added to the metadata of the events.")),
  summary: optional(text("Deprecated: use `eventMetadata`. What the events mean.", { maxLength: 255 })),
  suspend: optional(flag("Whether no event is taken.")),
});

/** Alert: AL-013 (it has no status). */
export const alert: KindDefinition = {
  kind: "Alert",
  group: "notification.toolkit.fluxcd.io",
  plural: "alerts",
  shortNames: [],
  category: "fluxcd-notifications",
  component: "notification-controller",
  description: "Events of some objects that are sent to a Provider.",
  versions: ["v1beta3", "v1beta2", "v1beta1"],
  spec: alertSpec,
  columns: [age],
  selectableFields: [],
};
