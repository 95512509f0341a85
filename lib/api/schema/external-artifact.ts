import { artifact } from "./artifact.ts";
import { age, readiness } from "./column.ts";
import { conditions } from "./condition.ts";
import type { KindDefinition } from "./definition.ts";
import { object, optional, text } from "./field.ts";

/** `ExternalArtifact.spec` (sources.md, section 12). */
export const externalArtifactSpec = object("What the artifact was made of.", {
  sourceRef: optional(
    object("The object that the artifact was made for.", {
      apiVersion: optional(text("Group and version of the object.")),
      kind: text("Kind of the object."),
      name: text("Name of the object."),
      namespace: optional(text("Namespace of the object, by default this one's.")),
    }),
  ),
});

/** `ExternalArtifact.status`: written by whoever publishes the artifact (EA-001). */
export const externalArtifactStatus = object("What is offered.", {
  artifact: optional(artifact),
  conditions: optional(conditions),
});

/** ExternalArtifact: SRC-001 to SRC-003, section 12. */
export const externalArtifact: KindDefinition = {
  kind: "ExternalArtifact",
  group: "source.toolkit.fluxcd.io",
  plural: "externalartifacts",
  shortNames: ["ea"],
  category: "fluxcd-sources",
  component: "source-controller",
  description: "An artifact that is published by somebody else than the controllers of sources.",
  versions: ["v1"],
  spec: externalArtifactSpec,
  specIsOptional: true,
  status: externalArtifactStatus,
  publishes: true,
  columns: [age, ...readiness, { name: "Source", type: "string", jsonPath: ".spec.sourceRef.name" }],
  selectableFields: [],
};
