import { age, readiness, schedule } from "./column.ts";
import { conditions } from "./condition.ts";
import type { KindDefinition } from "./definition.ts";
import { lastHandledReconcileAt, list, object, optional, text, textMap, word } from "./field.ts";

const alias = "[a-z0-9]([a-z0-9_-]*[a-z0-9])?";
const name = "[a-z0-9]([-a-z0-9]*[a-z0-9])?";

const source = object("A source that files are taken from.", {
  alias: text("What the source is called here.", { pattern: `^${alias}$`, maxLength: 63 }),
  name: text("Name of the source.", { pattern: "^[a-z0-9]([a-z0-9-]*[a-z0-9])?$", maxLength: 253 }),
  namespace: optional(
    text("Namespace of the source, by default this object's.", { pattern: `^${name}$`, minLength: 1, maxLength: 63 }),
  ),
  kind: word("Kind of the source.", ["Bucket", "GitRepository", "OCIRepository", "HelmChart", "ExternalArtifact"]),
});

const copy = object("Files that are copied from a source into the artifact.", {
  from: text("What is copied: `@alias/path`, where the path may be a pattern.", {
    pattern: `^@(${alias})/(.*)$`,
    minLength: 1,
    maxLength: 1024,
  }),
  to: text("Where it is put: `@artifact/path`.", { pattern: "^@(artifact)/(.*)$", minLength: 1, maxLength: 1024 }),
  exclude: optional(
    list("Patterns of what is left out, by path or, without a slash, by name.", text("A pattern."), { maxItems: 100 }),
  ),
  strategy: optional(
    word("What becomes of a file that is there already, or of archives: by default it is overwritten.", [
      "Overwrite",
      "Merge",
      "Extract",
    ]),
  ),
});

const output = object("An artifact that is made.", {
  name: text("Name of the ExternalArtifact; with `pathPattern` it may hold captures.", {
    minLength: 1,
    maxLength: 253,
  }),
  revision: optional(
    text("Alias of the source whose revision the artifact gets, `@alias`; by default it is the digest.", {
      pattern: `^@(${alias})$`,
      maxLength: 64,
    }),
  ),
  originRevision: optional(
    text("Alias of the source whose revision is told as the artifact's origin, `@alias`.", {
      pattern: `^@(${alias})$`,
      maxLength: 64,
    }),
  ),
  copy: list("The copies, in their order: later ones overwrite.", copy, { minItems: 1 }),
});

/** `ArtifactGenerator.spec` (sources.md, section 13). */
export const artifactGeneratorSpec = object(
  "Which artifacts are made of which sources.",
  {
    commonMetadata: optional(
      object("What every artifact's object carries.", {
        annotations: optional(textMap("Annotations.")),
        labels: optional(textMap("Labels.")),
      }),
    ),
    sources: list("The sources.", source, { minItems: 1, maxItems: 1000 }),
    pathPattern: optional(
      text("Directories of a source, `@alias/apps/{app}`: each one that matches makes artifacts of its own.", {
        pattern: `^@(${alias})/(.*)$`,
        maxLength: 1024,
      }),
    ),
    artifacts: list("The artifacts.", output, { minItems: 1, maxItems: 1000 }),
  },
  [
    {
      rule: `has(self.pathPattern) && size(self.pathPattern) > 0 || self.artifacts.all(a, a.name.matches('^${name}(\\\\.${name})*$'))`,
      message: "artifact names must be valid Kubernetes object names when pathPattern is not set",
    },
  ],
);

/** `ArtifactGenerator.status`. */
export const artifactGeneratorStatus = object("What was made.", {
  conditions: optional(conditions),
  inventory: optional(
    list(
      "The artifacts that were made.",
      object("An ExternalArtifact.", {
        name: text("Name of the object."),
        namespace: text("Namespace of the object."),
        digest: text("Digest of the artifact."),
        filename: text("Name of the artifact's file."),
      }),
    ),
  ),
  observedSourcesDigest: optional(text("Digest of what the sources offered.")),
  lastHandledReconcileAt: optional(lastHandledReconcileAt),
});

/** ArtifactGenerator: section 13. */
export const artifactGenerator: KindDefinition = {
  kind: "ArtifactGenerator",
  group: "source.extensions.fluxcd.io",
  plural: "artifactgenerators",
  shortNames: ["ag"],
  category: "fluxcd-sources",
  component: "source-watcher",
  description: "Makes artifacts of files of other sources.",
  versions: ["v1beta1"],
  spec: artifactGeneratorSpec,
  status: artifactGeneratorStatus,
  columns: [
    age,
    ...readiness,
    ...schedule.filter(({ name: column }) => column !== "Suspend"),
    {
      name: "Suspend",
      type: "string",
      jsonPath: ".metadata.annotations.source\\.extensions\\.fluxcd\\.io/reconcile",
      priority: 1,
    },
  ],
  selectableFields: [],
};
