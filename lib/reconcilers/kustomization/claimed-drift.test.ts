import { describe, expect, it } from "vitest";
import type { Kustomization } from "../../api/kustomization.ts";
import { isClaimedByOthers } from "./claimed-drift.ts";

const object: Kustomization = {
  apiVersion: "kustomize.toolkit.fluxcd.io/v1",
  kind: "Kustomization",
  metadata: { name: "app", namespace: "apps" },
  spec: { interval: "1m", prune: true, sourceRef: { kind: "GitRepository", name: "web" } },
  status: {
    inventory: {
      entries: [
        { id: "apps_web_apps_Deployment", v: "v1" },
        { id: "_viewer_rbac.authorization.k8s.io_ClusterRole", v: "v1" },
      ],
    },
  },
};

const changed = (apiVersion: string, kind: string, namespace: string, name: string) => {
  const overwritten = { apiVersion, kind, namespace, name, resourceVersion: "1" };
  return { type: "drift", uid: "u", by: "alice", object: `${kind}/${namespace}/${name}`, overwritten } as const;
};

describe("a change of an object with the labels of a Kustomization", () => {
  it("SN-14: concerns it where the object is in its inventory, whether it was changed, deleted or made anew", () => {
    expect(isClaimedByOthers(object, changed("apps/v1", "Deployment", "apps", "web"))).toBe(false);
    expect(isClaimedByOthers(object, changed("rbac.authorization.k8s.io/v1", "ClusterRole", "", "viewer"))).toBe(false);
    const { overwritten: _overwritten, ...made } = changed("apps/v1", "Deployment", "apps", "web");
    expect(isClaimedByOthers(object, made)).toBe(false);
  });

  it("TM-003: concerns nobody where somebody else has put its labels on", () => {
    expect(isClaimedByOthers(object, changed("v1", "ConfigMap", "theirs", "web"))).toBe(true);
    expect(isClaimedByOthers(object, changed("example.org/v1", "Deployment", "apps", "web"))).toBe(true);
    const { overwritten: _overwritten, ...made } = changed("v1", "ConfigMap", "theirs", "web");
    expect(isClaimedByOthers(object, made)).toBe(true);
    expect(isClaimedByOthers(object, { type: "schedule", slot: "1" })).toBe(false);
  });
});
