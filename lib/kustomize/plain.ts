import { posix } from "node:path";
import type { KubernetesObject } from "../api/object.ts";
import { Doubtful, readCertainYaml } from "../text/certain-yaml.ts";
import { formatGoYaml } from "../text/go-yaml.ts";
import { kustomizationFileNames, readKustomization, structsOf, textsOf } from "./kustomization-file.ts";
import { setImages } from "./plain-images.ts";
import { followNames } from "./plain-references.ts";
import { type Resource, refuseEqualIds, toResource } from "./plain-resource.ts";
import { addToNames, setNamespace } from "./plain-transform.ts";
import type { Reach } from "./reach.ts";
import type { Struct } from "./shape.ts";

/** What kustomize would have printed, and the objects in it. */
export type Rendered = { yaml: string; objects: KubernetesObject[] };

/**
 * Renders a kustomization without kustomize where its result is certain: manifests in files and directories, with a namespace, a name
 * prefix, a name suffix and images at most. Kustomize renders everything else, errors above all: where anything is in doubt, the answer is
 * why it is (Doubtful), and nothing has happened.
 */
export function renderPlain(directory: string, kustomization: Struct, reach: Reach): Rendered | Doubtful {
  try {
    refuseMuch(reach);
    const resources = collect(reach, directory, kustomization, []);
    followNames(resources);
    const objects = resources.map(({ object }) => object);
    return { yaml: objects.map(formatGoYaml).join("---\n"), objects };
  } catch (error) {
    if (error instanceof Doubtful) return error;
    throw error;
  }
}

/** Bytes of all files of a build that is rendered here: this process does nothing else meanwhile. */
const sizeLimit = 4 * 1024 * 1024;

function refuseMuch({ files }: Reach): void {
  let size = 0;
  for (const content of files.values()) size += content.length;
  if (size > sizeLimit) throw new Doubtful("more than is rendered at once");
}

/** The resources of a kustomization, after what it does to them. `above` are the directories that have led to it. */
function collect(reach: Reach, directory: string, kustomization: Struct, above: readonly string[]): Resource[] {
  refuseOthers(kustomization);
  const paths = textsOf(kustomization, "resources");
  if (paths.length === 0) throw new Doubtful("no resources");
  const chain = [...above, directory];
  const resources = paths.flatMap((path) => read(reach, directory, path, chain));
  refuseEqualIds(resources);
  const { namespace = "", namePrefix = "", nameSuffix = "" } = kustomization;
  if (typeof namespace !== "string" || typeof namePrefix !== "string" || typeof nameSuffix !== "string")
    throw new Doubtful("a name that is no text");
  if (namespace !== "") setNamespace(resources, namespace);
  if (namePrefix !== "" || nameSuffix !== "") addToNames(resources, namePrefix, nameSuffix);
  setImages(resources, structsOf(kustomization, "images"));
  return resources;
}

const understood = new Set([
  "apiVersion",
  "kind",
  "metadata",
  "resources",
  "namespace",
  "namePrefix",
  "nameSuffix",
  "images",
]);

function refuseOthers(kustomization: Struct): void {
  const { apiVersion = "kustomize.config.k8s.io/v1beta1", kind = "Kustomization" } = kustomization;
  if (apiVersion !== "kustomize.config.k8s.io/v1beta1" || kind !== "Kustomization")
    throw new Doubtful("a kustomization of another kind");
  for (const [field, value] of Object.entries(kustomization))
    if (!understood.has(field) && !isEmpty(value)) throw new Doubtful(`the field ${field}`);
}

function isEmpty(value: unknown): boolean {
  return value === null || value === "" || (Array.isArray(value) && value.length === 0);
}

function read(reach: Reach, directory: string, path: string, chain: readonly string[]): Resource[] {
  if (!/^[A-Za-z0-9._/-]+$/.test(path) || path.startsWith("/")) throw new Doubtful("a path that is unusual");
  const located = posix.join("/", directory, path).slice(1).replace(/\/$/, "");
  const file = reach.files.get(located);
  if (file !== undefined) {
    if (path.endsWith("/")) throw new Doubtful("a file that is named as a directory");
    return readCertainYaml(file).map(toResource);
  }
  if (chain.some((visited) => visited === located || located === "" || visited.startsWith(`${located}/`)))
    throw new Doubtful("a directory around the one that names it");
  return collect(reach, located, readWritten(reach, located), chain);
}

/** A kustomization as it was written for the build. */
function readWritten(reach: Reach, directory: string): Struct {
  const names = kustomizationFileNames.filter((name) => reach.files.has(posix.join(directory, name)));
  const content = reach.files.get(posix.join(directory, names[0] ?? ""));
  if (names.length !== 1 || content === undefined) throw new Doubtful("no kustomization");
  try {
    return readKustomization(content, "strict");
  } catch {
    throw new Doubtful("a kustomization that was not written for the build");
  }
}
