import type { ObjectMeta } from "./object.ts";
import type { TypeOf } from "./schema/field.ts";
import type { gitRepositorySpec, gitRepositoryStatus } from "./schema/git-repository.ts";

/** `GitRepository.spec`. */
export type GitRepositorySpec = TypeOf<typeof gitRepositorySpec>;

/** `GitRepository.status`. */
export type GitRepositoryStatus = TypeOf<typeof gitRepositoryStatus>;

/** A Git repository whose content is offered as an artifact (sources.md, section 5). */
export type GitRepository = {
  apiVersion: string;
  kind: "GitRepository";
  metadata: ObjectMeta;
  spec: GitRepositorySpec;
  status?: GitRepositoryStatus;
};
