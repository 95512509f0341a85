import { integer, list, object, optional, text, time, word } from "./field.ts";

/** `metav1.Condition`, with the limits that Kubernetes gives it. */
export const condition = object("What is known of one aspect of the object.", {
  type: text("Name of the aspect, in CamelCase, optionally with a domain before it.", {
    maxLength: 316,
    pattern:
      "^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])$",
  }),
  status: word("Whether it holds.", ["True", "False", "Unknown"]),
  reason: text("Why, as a word that programs can rely on.", {
    minLength: 1,
    maxLength: 1024,
    pattern: "^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$",
  }),
  message: text("Why, for people. It may be empty.", { maxLength: 32768 }),
  lastTransitionTime: time("When the condition last changed."),
  observedGeneration: optional(integer("The generation that the condition speaks of.", { minimum: 0 })),
});

/** The conditions of an object. */
export const conditions = list("What is known of the object, one entry a type.", condition);
