import type { Condition } from "./condition.ts";
import type { ObjectMeta } from "./object.ts";
import type { artifactGeneratorSpec, artifactGeneratorStatus } from "./schema/artifact-generator.ts";
import type { TypeOf } from "./schema/field.ts";

/** `ArtifactGenerator.spec`. */
export type ArtifactGeneratorSpec = TypeOf<typeof artifactGeneratorSpec>;

/** `ArtifactGenerator.status`. */
export type ArtifactGeneratorStatus = TypeOf<typeof artifactGeneratorStatus> & { conditions?: Condition[] };

/** One artifact that is made (AG-002). */
export type OutputArtifact = ArtifactGeneratorSpec["artifacts"][number];

/** One copy of files into an artifact (AG-009). */
export type CopyOperation = OutputArtifact["copy"][number];

/** An ExternalArtifact that a generator has made (`status.inventory`). */
export type GeneratedArtifact = NonNullable<ArtifactGeneratorStatus["inventory"]>[number];

/** Makes ExternalArtifacts of files of other sources (sources.md, section 13). */
export type ArtifactGenerator = {
  apiVersion: string;
  kind: "ArtifactGenerator";
  metadata: ObjectMeta;
  spec: ArtifactGeneratorSpec;
  status?: ArtifactGeneratorStatus;
};
