import type { KubernetesObject } from "../../lib/api/object.ts";
import { findObject, referenceTo } from "../../lib/cluster/objects.ts";
import type { GitRepository } from "../../lib/host/git/repository.ts";
import { conditionOf, isReady, type Workspace } from "../bed/workspace.ts";
import { definition, gadget } from "./gadgets.ts";

/** What tests push of gadgets and wait for, in the workspace of a test file, which is there once the tests run. */
export function gadgetPushes(scene: () => { workspace: Workspace; repository: GitRepository }) {
  return {
    definition: (part: string, name?: string) => definition(scene().workspace.namespace, part, name),
    gadget: (part: string, name: string, size?: number) => gadget(scene().workspace.namespace, part, name, size),
    present: async (object: KubernetesObject) =>
      (await findObject(scene().workspace.client, referenceTo(object))) !== undefined,
    /** Commits, and waits until the source offers it; resolves with the revision. */
    push: async (files: Record<string, string | null>): Promise<string> => {
      const { workspace, repository } = scene();
      const commit = await repository.commit(files);
      await workspace.reconcile("GitRepository", "source");
      const revision = `main@sha1:${commit}`;
      await workspace.until("GitRepository", "source", ({ status }) => status?.artifact?.revision === revision);
      return revision;
    },
    untilApplied: (name: string, revision: string, seconds = 30) =>
      scene().workspace.until(
        "Kustomization",
        name,
        (object) => object.status?.lastAppliedRevision === revision && isReady(object),
        seconds,
      ),
    /** Until Ready is False with a text that matches. */
    untilSaid: (name: string, text: RegExp, seconds = 20) =>
      scene().workspace.until(
        "Kustomization",
        name,
        ({ status }) => {
          const ready = conditionOf(status, "Ready");
          return ready?.status === "False" && text.test(ready.message);
        },
        seconds,
      ),
  };
}
