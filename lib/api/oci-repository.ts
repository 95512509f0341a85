import type { ObjectMeta } from "./object.ts";
import type { TypeOf } from "./schema/field.ts";
import type { ociRepositorySpec, ociRepositoryStatus } from "./schema/oci-repository.ts";

/** `OCIRepository.spec`. */
export type OCIRepositorySpec = TypeOf<typeof ociRepositorySpec>;

/** `OCIRepository.status`. */
export type OCIRepositoryStatus = TypeOf<typeof ociRepositoryStatus>;

/** An artifact in a container registry (sources.md, sections 7 and 8). */
export type OCIRepository = {
  apiVersion: string;
  kind: "OCIRepository";
  metadata: ObjectMeta;
  spec: OCIRepositorySpec;
  status?: OCIRepositoryStatus;
};
