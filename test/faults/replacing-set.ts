import type { KubernetesObject } from "../../lib/api/object.ts";

/** Where the set of a Kustomization lives: its namespace also begins the names of what belongs to the whole cluster. */
export type Place = { namespace: string };

/**
 * The files of one version of a set of which each version makes, changes, removes and replaces objects: a namespace with an object
 * in it and a definition with an object of it come and go with each; another definition changes its schema, and its object with it; a
 * Job and a Secret cannot be changed, and are made anew. What speaks of the version does so as `new-<version>`.
 */
export function replacingFiles(place: Place, version: number): Record<string, string | null> {
  const { namespace } = place;
  const mark = `new-${version}`;
  const files = {
    "app/changing.yaml": text(configMap(namespace, "changing", mark)),
    "app/keeper.yaml": text(definition(place, "kept", "Keeper", mark), keeper(place, mark)),
    "app/job.yaml": text(job(namespace, mark)),
    "app/secret.yaml": text(secret(namespace, mark)),
    [`app/${mark}.yaml`]: text(...comingAndGoing(place, mark)),
  };
  return version === 0 ? files : { ...files, [`app/new-${version - 1}.yaml`]: null };
}

/** What comes and goes with one version. */
function comingAndGoing(place: Place, mark: string): KubernetesObject[] {
  const inside = `${place.namespace}-${mark}`;
  const { apiVersion } = kindIn(place, mark);
  return [
    { apiVersion: "v1", kind: "Namespace", metadata: { name: inside } },
    configMap(inside, "inside", mark),
    definition(place, mark, "Thing", mark),
    { apiVersion, kind: "Thing", metadata: { name: "thing", namespace: place.namespace }, spec: { [mark]: "yes" } },
  ];
}

/** Inventory ids of one version's objects, sorted. */
export function replacingInventory(place: Place, version: number): string[] {
  const { namespace } = place;
  const mark = `new-${version}`;
  const [kept, coming] = [kindIn(place, "kept"), kindIn(place, mark)];
  return [
    `${namespace}_changing__ConfigMap`,
    `${namespace}_job_batch_Job`,
    `${namespace}_secret__Secret`,
    `${namespace}_keeper_${kept.group}_Keeper`,
    `${namespace}_thing_${coming.group}_Thing`,
    `${namespace}-${mark}_inside__ConfigMap`,
    `_${namespace}-${mark}__Namespace`,
    `_keepers.${kept.group}_apiextensions.k8s.io_CustomResourceDefinition`,
    `_things.${coming.group}_apiextensions.k8s.io_CustomResourceDefinition`,
  ].sort();
}

/** The collections in which objects of one version, or what an older one left, can be. */
export function replacingCollections(place: Place, version: number): string[] {
  const { namespace } = place;
  return [
    "/api/v1/namespaces",
    "/api/v1/configmaps",
    "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
    `/api/v1/namespaces/${namespace}/secrets`,
    `/apis/batch/v1/namespaces/${namespace}/jobs`,
    `/apis/${kindIn(place, "kept").apiVersion}/namespaces/${namespace}/keepers`,
    `/apis/${kindIn(place, `new-${version}`).apiVersion}/namespaces/${namespace}/things`,
  ];
}

function kindIn({ namespace }: Place, part: string): { group: string; apiVersion: string } {
  const group = `${part}.${namespace}.example.org`;
  return { group, apiVersion: `${group}/v1` };
}

/** A definition whose objects may have one field, named by the mark. */
function definition(place: Place, part: string, kind: string, mark: string): KubernetesObject {
  const { group } = kindIn(place, part);
  const plural = `${kind.toLowerCase()}s`;
  const spec = { type: "object", properties: { [mark]: { type: "string" } } };
  const schema = { openAPIV3Schema: { type: "object", properties: { spec } } };
  return {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: `${plural}.${group}` },
    spec: {
      group,
      scope: "Namespaced",
      names: { kind, plural, singular: kind.toLowerCase(), listKind: `${kind}List` },
      versions: [{ name: "v1", served: true, storage: true, schema }],
    },
  };
}

function keeper(place: Place, mark: string): KubernetesObject {
  const { apiVersion } = kindIn(place, "kept");
  const metadata = { name: "keeper", namespace: place.namespace };
  return { apiVersion, kind: "Keeper", metadata, spec: { [mark]: "yes" } };
}

function job(namespace: string, mark: string): KubernetesObject {
  const annotations = { "kustomize.toolkit.fluxcd.io/force": "enabled" };
  const containers = [{ name: "job", image: "example.invalid/none", args: [mark] }];
  return {
    apiVersion: "batch/v1",
    kind: "Job",
    metadata: { name: "job", namespace, annotations },
    spec: { template: { spec: { restartPolicy: "Never", containers } } },
  };
}

function secret(namespace: string, mark: string): KubernetesObject {
  const metadata = { name: "secret", namespace };
  return { apiVersion: "v1", kind: "Secret", metadata, immutable: true, stringData: { version: mark } };
}

function configMap(namespace: string, name: string, mark: string): KubernetesObject {
  return { apiVersion: "v1", kind: "ConfigMap", metadata: { name, namespace }, data: { version: mark } };
}

function text(...objects: KubernetesObject[]): string {
  return objects.map((object) => `${JSON.stringify(object)}\n`).join("---\n");
}
