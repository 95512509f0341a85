import { posix } from "node:path";
import { messageOf } from "../text/error-message.ts";
import type { OpenArtifact } from "./artifact.ts";
import { isInside } from "./artifact-path.ts";
import { BuildFailed } from "./build-failed.ts";
import { kustomizationFileNames, readKustomization, structsOf, textOf, textsOf } from "./kustomization-file.ts";
import { DoesNotFit, type Struct } from "./shape.ts";
import type { BuildSpec } from "./spec.ts";

/** The kustomization that is built: the artifact's own or a generated one, with what the spec adds to it. */
export type Completed = {
  /** Its file, next to which its paths are resolved. */
  fileName: string;
  kustomization: Struct;
  /** Whether Sluice wrote it, because the directory has none (KS-051). */
  generated: boolean;
};

/**
 * Takes the kustomization of a directory, or generates one that names every manifest below it, and adds what the spec says
 * (KS-050 to KS-060). Throws BuildFailed.
 */
export function completeKustomization(artifact: OpenArtifact, directory: string, spec: BuildSpec): Completed {
  if (!artifact.directories.has(directory)) throw new BuildFailed(`open ${directory}: not a directory`);
  const fileName = kustomizationFileNames.find((name) => artifact.files.has(posix.join(directory, name)));
  const kustomization = fileName === undefined ? generate(artifact, directory) : readOwn(artifact, directory, fileName);
  return {
    fileName: fileName ?? "kustomization.yaml",
    kustomization: addSpec(kustomization, artifact, directory, spec),
    generated: fileName === undefined,
  };
}

/** KS-054: without resources it would be "empty", and a build with nothing in it must succeed. */
function readOwn(artifact: OpenArtifact, directory: string, fileName: string): Struct {
  const content = artifact.files.get(posix.join(directory, fileName))?.content ?? new Uint8Array();
  let own: Struct;
  try {
    own = readKustomization(content, "lenient");
  } catch (error) {
    const reason = messageOf(error);
    const fits = !(error instanceof DoesNotFit);
    throw new BuildFailed(
      fits ? `error converting YAML to JSON: ${reason}` : `error unmarshaling JSON: while decoding JSON: ${reason}`,
      { cause: error },
    );
  }
  const empty = textsOf(own, "resources").length === 0;
  return {
    apiVersion: "kustomize.config.k8s.io/v1beta1",
    kind: "Kustomization",
    ...own,
    ...(empty ? { buildMetadata: ["originAnnotations"] } : {}),
  };
}

function generate(artifact: OpenArtifact, directory: string): Struct {
  const resources = findManifests(artifact, directory);
  return {
    apiVersion: "kustomize.config.k8s.io/v1beta1",
    kind: "Kustomization",
    // KS-053: kustomize refuses an empty file, and this field does nothing without resources.
    ...(resources.length === 0 ? { namespace: "_placeholder" } : { resources }),
  };
}

/** KS-051: every manifest below a directory, in the order of a walk; a directory with its own kustomization stands for all that is in it. */
function findManifests(artifact: OpenArtifact, directory: string): string[] {
  const prefix = directory === "" ? "" : `${directory}/`;
  const below = (path: string) => path !== directory && path.startsWith(prefix);
  const owners = new Set<string>();
  for (const path of artifact.directories)
    if (below(path) && kustomizationFileNames.some((name) => artifact.files.has(`${path}/${name}`))) owners.add(path);
  const isOwned = (path: string) => {
    for (let up = posix.dirname(path); up !== "." && up.length >= prefix.length; up = posix.dirname(up))
      if (owners.has(up)) return true;
    return false;
  };
  const found = [...owners, ...[...artifact.files.keys()].filter((path) => below(path) && /\.ya?ml$/.test(path))];
  return found
    .filter((path) => !isOwned(path))
    .map((path) => path.slice(prefix.length).split("/"))
    .sort(inOrderOfWalk)
    .map((segments) => `./${segments.join("/")}`);
}

/** A walk takes the names of one directory in the order of their bytes, and all that is in a directory with it. */
function inOrderOfWalk(a: string[], b: string[]): number {
  for (const [index, name] of a.entries()) {
    const other = b[index];
    if (other === undefined) return 1;
    if (name !== other) return Buffer.compare(Buffer.from(name), Buffer.from(other));
  }
  return a.length - b.length;
}

function addSpec(own: Struct, artifact: OpenArtifact, directory: string, spec: BuildSpec): Struct {
  const result: Struct = { ...own };
  if (spec.targetNamespace !== undefined) result.namespace = spec.targetNamespace;
  if (spec.namePrefix !== undefined) result.namePrefix = spec.namePrefix;
  if (spec.nameSuffix !== undefined) result.nameSuffix = spec.nameSuffix;
  append(
    result,
    "patches",
    (spec.patches ?? []).map(({ patch, target }) => ({
      patch,
      ...(target === undefined ? {} : { target: { ...target } }),
    })),
  );
  append(result, "components", chooseComponents(artifact, directory, spec));
  append(
    result,
    "patchesStrategicMerge",
    (spec.patchesStrategicMerge ?? []).map((patch) => JSON.stringify(patch)),
  );
  append(
    result,
    "patchesJson6902",
    (spec.patchesJson6902 ?? []).map(({ patch, target }) => ({ patch: JSON.stringify(patch), target: { ...target } })),
  );
  if ((spec.images ?? []).length > 0) result.images = mergeImages(structsOf(own, "images"), spec.images ?? []);
  if ((spec.buildMetadata ?? []).length > 0) result.buildMetadata = [...(spec.buildMetadata ?? [])];
  return result;
}

function append(struct: Struct, field: string, added: Struct[] | string[]): void {
  const before = struct[field];
  if (added.length > 0) struct[field] = [...(Array.isArray(before) ? before : []), ...added];
}

const notLocal = ["git::", "gh:", "ssh://", "https://", "http://", "git@", "github.com:", "github.com/"];

/** KS-058. */
function chooseComponents(artifact: OpenArtifact, directory: string, spec: BuildSpec): string[] {
  return (spec.components ?? []).filter((component) => {
    const name = component.toLowerCase();
    const remote = notLocal.some((prefix) => prefix.length < name.length && name.startsWith(prefix));
    if (remote || name.replace(/^file:\/\//, "").startsWith("/"))
      throw new BuildFailed(`component path '${component}' must be local and relative`);
    if (spec.ignoreMissingComponents !== true) return true;
    if (!isInside(directory, component)) return false;
    const path = posix.join("/", directory, component).slice(1).replace(/\/$/, "");
    return artifact.directories.has(path) || artifact.files.has(path);
  });
}

/** KS-057: by name; a tag and a digest are one choice, so either replaces both. */
function mergeImages(own: Struct[], added: NonNullable<BuildSpec["images"]>): Struct[] {
  const result = own.map((image) => ({ ...image }));
  for (const image of added) {
    const known = result.find((candidate) => (textOf(candidate, "name") ?? "") === image.name);
    const target: Struct = known ?? { name: image.name };
    if (image.newName) target.newName = image.newName;
    if (image.newTag || image.digest) {
      delete target.newTag;
      delete target.digest;
      if (image.newTag) target.newTag = image.newTag;
      if (image.digest) target.digest = image.digest;
    }
    if (known === undefined) result.push(target);
  }
  return result;
}
