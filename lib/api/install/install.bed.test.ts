import { describe, expect, it } from "vitest";
import { bedCluster } from "../../../test/bed/bed.ts";
import { connectTo, installKinds } from "../../../test/bed/installed.ts";
import { getObject, listObjects, referenceTo } from "../../cluster/objects.ts";
import type { KubernetesObject } from "../object.ts";
import { installObjects } from "./install.ts";

describe("the objects of an installation", () => {
  it("BS-050: they are accepted, and applying them again writes nothing", async () => {
    const client = await installKinds(await bedCluster());
    const read = () => Promise.all(installObjects().map((object) => getObject(client, referenceTo(object))));
    const before = (await read()).map(storedAt);
    await installKinds(await bedCluster());
    expect((await read()).map(storedAt)).toEqual(before);
  });

  it("BS-051: every served version answers", async () => {
    const client = connectTo(await bedCluster());
    for (const version of ["v1", "v1beta2", "v1beta1"]) {
      const apiVersion = `kustomize.toolkit.fluxcd.io/${version}`;
      expect(await listObjects(client, { apiVersion, kind: "Kustomization", namespace: "flux-system" })).toEqual([]);
    }
  });
});

/** Which write an object stands at. The status of a Deployment is its controller's to write. */
function storedAt({ kind, metadata }: KubernetesObject): unknown[] {
  return [kind, metadata.name, kind === "Deployment" ? metadata.generation : metadata.resourceVersion];
}
