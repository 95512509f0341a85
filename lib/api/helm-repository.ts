import type { ObjectMeta } from "./object.ts";
import type { TypeOf } from "./schema/field.ts";
import type { helmRepositorySpec, helmRepositoryStatus } from "./schema/helm-repository.ts";

/** `HelmRepository.spec`. */
export type HelmRepositorySpec = TypeOf<typeof helmRepositorySpec>;

/** `HelmRepository.status`. */
export type HelmRepositoryStatus = TypeOf<typeof helmRepositoryStatus>;

/** A repository of Helm charts (sources.md, section 9). */
export type HelmRepository = {
  apiVersion: string;
  kind: "HelmRepository";
  metadata: ObjectMeta;
  spec: HelmRepositorySpec;
  status?: HelmRepositoryStatus;
};
