import { beforeAll, describe, expect, it } from "vitest";
import { bedPart, uniqueName } from "../../../test/bed/bed.ts";
import { connectTo } from "../../../test/bed/installed.ts";
import type { Kustomization, KustomizationSpec } from "../../api/kustomization.ts";
import type { ClusterClient } from "../../cluster/client.ts";
import { createObject, patchObject } from "../../cluster/objects.ts";
import { parseSettings } from "../../engine/settings.ts";
import { createLocalLogger } from "../../platform/local/log.ts";
import { readVariables } from "./substitution.ts";

let client: ClusterClient;
let namespace: string;
const log = createLocalLogger({ format: "json", write: () => undefined });

beforeAll(async () => {
  client = connectTo(await bedPart("cluster"));
  namespace = uniqueName("variables");
  await createObject(client, { apiVersion: "v1", kind: "Namespace", metadata: { name: namespace } });
  const metadata = { name: "vars", namespace };
  await createObject(client, { apiVersion: "v1", kind: "ConfigMap", metadata, data: { a: "1", b: "x\ny\n" } });
  await createObject(client, { apiVersion: "v1", kind: "Secret", metadata, stringData: { a: "s3cret" } });
  const binary = { metadata: { name: "binary", namespace }, binaryData: { a: "AAEC" }, data: { b: "2" } };
  await createObject(client, { apiVersion: "v1", kind: "ConfigMap", ...binary });
}, 600_000);

function object(postBuild: KustomizationSpec["postBuild"]): Kustomization {
  return {
    apiVersion: "kustomize.toolkit.fluxcd.io/v1",
    kind: "Kustomization",
    metadata: { name: "app", namespace },
    spec: {
      interval: "1h",
      prune: true,
      sourceRef: { kind: "GitRepository", name: "x" },
      ...(postBuild === undefined ? {} : { postBuild }),
    },
  };
}

const context = (cluster: ClusterClient, ...args: string[]) => ({
  cluster,
  settings: parseSettings(args, "flux-system", log),
  signal: AbortSignal.timeout(30_000),
});

/** The cluster, with the paths that were asked for. */
function counted(): { cluster: ClusterClient; paths: string[] } {
  const paths: string[] = [];
  const cluster: ClusterClient = {
    request: (request) => {
      paths.push(request.path);
      return client.request(request);
    },
    as: (user) => client.as(user),
  };
  return { cluster, paths };
}

const reference = (kind: "ConfigMap" | "Secret", name: string, optional = false) => ({ kind, name, optional });

describe("the variables of a Kustomization", () => {
  it("KS-110, KS-111: data of each reference in turn, read once, then what is inline; binary data is none", async () => {
    const { cluster, paths } = counted();
    const substituteFrom = [
      reference("Secret", "vars"),
      reference("ConfigMap", "vars"),
      reference("ConfigMap", "binary"),
      reference("Secret", "vars"),
    ];
    const { substitution } = await readVariables(
      object({ substituteFrom, substitute: { c: "3\n" } }),
      context(cluster),
    );
    expect(Object.fromEntries(substitution?.variables ?? [])).toEqual({ a: "s3cret", b: "2", c: "3" });
    expect(paths).toHaveLength(3);
    const first = await readVariables(object({ substituteFrom: [reference("ConfigMap", "vars")] }), context(client));
    expect(first.substitution?.variables.get("b")).toBe("xy");
  });

  it("KS-113: only an absent reference is tolerated where it is optional, and the first that is not ends the reading", async () => {
    const substituteFrom = [reference("ConfigMap", "missing", true), reference("ConfigMap", "vars")];
    const absent = await readVariables(object({ substituteFrom }), context(client));
    expect(absent.substitution).toMatchObject({ failure: undefined });
    const forbidden = await readVariables(
      object({ substituteFrom: [reference("Secret", "vars", true)] }),
      context(client.as("nobody")),
    );
    expect(forbidden.substitution?.failure).toMatch(
      /^substitute from 'Secret\/vars' error: secrets "vars" is forbidden: User "nobody" cannot get resource/,
    );
    const { cluster, paths } = counted();
    const missing = [reference("Secret", "missing"), reference("ConfigMap", "vars")];
    const failed = await readVariables(object({ substituteFrom: missing }), context(cluster));
    expect(failed.substitution?.failure).toBe(`substitute from 'Secret/missing' error: secrets "missing" not found`);
    expect(paths).toHaveLength(1);
  });

  it.each(["../../kube-system/configmaps/extension-apiserver-authentication", "..", "vars?x", "a/b"])(
    "KS-110: a name that leads out of the namespace reads nothing: %s",
    async (name) => {
      const { substitution } = await readVariables(
        object({ substituteFrom: [reference("ConfigMap", name)] }),
        context(client),
      );
      expect(substitution?.failure).toMatch(/^substitute from 'ConfigMap\/.*' error: /);
      expect(substitution?.variables.size).toBe(0);
    },
  );

  it("KS-114, KS-115: is strict unless the gate is off, and substitutes with variables unless always", async () => {
    const inline = { substitute: { a: "1" } };
    expect((await readVariables(object(inline), context(client))).substitution).toMatchObject({
      strict: true,
      always: false,
    });
    const off = context(client, "--feature-gates=StrictPostBuildSubstitutions=false");
    const always = object({ ...inline, substituteStrategy: "Always" });
    expect((await readVariables(always, off)).substitution).toMatchObject({ strict: false, always: true });
    expect(await readVariables(object(undefined), context(client))).toEqual({ substitution: undefined, versions: "" });
  });

  it("says whether a reference has changed, come or gone, without a value", async () => {
    const substituteFrom = [reference("Secret", "vars"), reference("ConfigMap", "later", true)];
    const versions = async () => (await readVariables(object({ substituteFrom }), context(client))).versions;
    const before = await versions();
    expect(before).not.toContain("s3cret");
    expect(await versions()).toBe(before);
    const later = { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "later", namespace } };
    await createObject(client, later);
    const come = await versions();
    expect(come).not.toBe(before);
    await patchObject(
      client,
      { ...later, namespace, name: "later" },
      { merge: { data: { a: "1" } } },
      {
        fieldManager: "test",
      },
    );
    expect(await versions()).not.toBe(come);
  });
});
