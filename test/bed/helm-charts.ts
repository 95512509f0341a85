import { join } from "node:path";
import { conditionOf, type Reconciled, type Workspace } from "./workspace.ts";

/** HelmCharts of one workspace, as tests of them need them. */
export type HelmCharts = {
  /** The stored file of a chart's artifact. */
  path(object: Reconciled): string;
  create(name: string, spec?: Record<string, unknown>): ReturnType<Workspace["create"]>;
  /** Until it is Ready at its generation, with the artifact of a revision where one is named. */
  ready(name: string, revision?: string, seconds?: number): Promise<Reconciled>;
  /** Until a condition's message holds these words. */
  failed(name: string, type: string, words: string): Promise<Reconciled>;
};

/** `usual` is what every HelmChart is made with. The workspace and the directory of artifacts are there once a test runs. */
export function helmCharts(
  bed: () => { workspace: Workspace; artifacts: string },
  usual: Record<string, unknown>,
): HelmCharts {
  return {
    path: (object) => join(bed().artifacts, "bed", object.status?.artifact?.path ?? ""),
    create: (name, spec = {}) =>
      bed().workspace.create({
        apiVersion: "source.toolkit.fluxcd.io/v1",
        kind: "HelmChart",
        metadata: { name },
        spec: { interval: "1h", ...usual, ...spec },
      }),
    ready: (name, revision, seconds) =>
      bed().workspace.until(
        "HelmChart",
        name,
        ({ metadata, status }) =>
          conditionOf(status, "Ready")?.status === "True" &&
          conditionOf(status, "Ready")?.observedGeneration === metadata.generation &&
          (revision === undefined || status?.artifact?.revision === revision),
        seconds,
      ),
    failed: (name, type, words) =>
      bed().workspace.until(
        "HelmChart",
        name,
        ({ status }) => conditionOf(status, type)?.message.includes(words) === true,
      ),
  };
}
