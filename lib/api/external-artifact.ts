import type { ObjectMeta } from "./object.ts";
import type { externalArtifactSpec, externalArtifactStatus } from "./schema/external-artifact.ts";
import type { TypeOf } from "./schema/field.ts";

/** `ExternalArtifact.spec`. */
export type ExternalArtifactSpec = TypeOf<typeof externalArtifactSpec>;

/** `ExternalArtifact.status`. */
export type ExternalArtifactStatus = TypeOf<typeof externalArtifactStatus>;

/** An artifact that anybody may publish (sources.md, section 12). */
export type ExternalArtifact = {
  apiVersion: string;
  kind: "ExternalArtifact";
  metadata: ObjectMeta;
  spec?: ExternalArtifactSpec;
  status?: ExternalArtifactStatus;
};
