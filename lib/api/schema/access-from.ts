import { list, object, optional, textMap } from "./field.ts";

/** `spec.accessFrom` of v1beta2's sources, which nobody acts upon any more (CV-003 to CV-005, HR-016). */
export const accessFrom = object("Deprecated and without effect.", {
  namespaceSelectors: list(
    "Namespaces.",
    object("A selector.", { matchLabels: optional(textMap("Labels that must be equal.")) }),
  ),
});
