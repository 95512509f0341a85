import { describe, expect, it } from "vitest";
import { bedCluster } from "../../../test/bed/bed.ts";
import { installKinds } from "../../../test/bed/installed.ts";
import { getObject, listObjects, referenceTo } from "../../cluster/objects.ts";
import type { KubernetesObject } from "../object.ts";
import { definitions } from "../schema/kinds.ts";
import { customResourceDefinition } from "./crd.ts";
import { installObjects } from "./install.ts";

describe("the objects of an installation", () => {
  it("BS-050: they are accepted, and applying them again writes nothing", async () => {
    const client = await installKinds(await bedCluster());
    const read = () => Promise.all(installObjects().map((object) => getObject(client, referenceTo(object))));
    const before = (await read()).map(storedAt);
    await installKinds(await bedCluster());
    expect((await read()).map(storedAt)).toEqual(before);
  });

  it("BS-051, BS-052: every version of every kind is served, and only the newest stored", async () => {
    const client = await installKinds(await bedCluster());
    for (const definition of definitions) {
      const { group, kind, versions } = definition;
      for (const version of versions) {
        const listing = { apiVersion: `${group}/${version}`, kind, namespace: "default" };
        expect(await listObjects(client, listing)).toEqual([]);
      }
      const stored = await getObject(client, referenceTo(customResourceDefinition(definition)));
      expect(stored.status).toMatchObject({ storedVersions: [versions[0]] });
    }
  });
});

/** Which write an object stands at. The status of some is their controller's to write, at any time. */
function storedAt({ kind, metadata, spec }: KubernetesObject): unknown[] {
  const own = metadata.managedFields?.find(({ manager }) => manager === "sluice");
  const hasController = kind === "Deployment" || kind === "ResourceQuota";
  return [kind, metadata.name, own, spec, hasController ? metadata.generation : metadata.resourceVersion];
}
