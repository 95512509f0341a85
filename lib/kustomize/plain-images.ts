import { Doubtful } from "../text/certain-yaml.ts";
import { isFields } from "../text/fields.ts";
import { isPlainText } from "../text/go-yaml-plain.ts";
import { textOf } from "./kustomization-file.ts";
import type { Resource } from "./plain-resource.ts";
import type { Struct } from "./shape.ts";

/** Where images are besides in containers at any depth (`imagesFieldSpecs` of kustomize 5.8.1). */
const paths = ["spec", "spec/template/spec"].flatMap((pod) =>
  ["containers/image", "initContainers/image", "volumes/image/reference"].map((path) => `${pod}/${path}`.split("/")),
);
const lists = new Set(["containers", "initContainers", "volumes"]);

/** What the field `images` of a kustomization does to its resources. Throws Doubtful. */
export function setImages(resources: readonly Resource[], images: readonly Struct[]): void {
  for (const image of images) {
    const change = changeOf(image);
    for (const { object } of resources) {
      if (object.kind === "CustomResourceDefinition") continue;
      changeContainers(object, change);
      for (const path of paths) changeAt(object, path, change);
    }
  }
}

/** From one image to another; undefined where it is not meant. */
type Change = (image: string) => string | undefined;

function changeOf(image: Struct): Change {
  const { newName, newTag, digest } = {
    newName: textOf(image, "newName"),
    newTag: textOf(image, "newTag"),
    digest: textOf(image, "digest"),
  };
  const name = textOf(image, "name") ?? "";
  for (const text of [name, newName ?? name, newTag ?? name, digest ?? name])
    if (!/^[A-Za-z0-9._/:-]+$/.test(text)) throw new Doubtful("an image that is unusual");
  if (textOf(image, "tagSuffix") !== undefined) throw new Doubtful("a suffix of a tag");
  // A name is a pattern to kustomize: its points stand for any character.
  const meant = new RegExp(`^${name}(:[a-zA-Z0-9_.{}-]*)?(@sha256:[a-zA-Z0-9_.{}-]*)?$`);
  return (text) => {
    if (!meant.test(text)) return undefined;
    const old = split(text);
    const fresh = newTag !== undefined || digest !== undefined;
    const tag = fresh ? newTag : old.tag;
    const hash = fresh ? digest : old.digest;
    return `${newName ?? old.name}${tag ? `:${tag}` : ""}${hash ? `@${hash}` : ""}`;
  };
}

/** A colon before the first slash is that of a port. */
function split(image: string): { name: string; tag: string; digest: string } {
  const start = Math.max(image.indexOf("/"), 0);
  const at = image.indexOf("@", start);
  const colon = image.slice(0, at < 0 ? image.length : at).indexOf(":", start);
  const end = at < 0 ? image.length : at;
  return {
    name: image.slice(0, colon < 0 ? end : colon),
    tag: colon < 0 ? "" : image.slice(colon + 1, end),
    digest: at < 0 ? "" : image.slice(at + 1),
  };
}

function changeContainers(value: unknown, change: Change): void {
  if (Array.isArray(value)) for (const item of value) changeContainers(item, change);
  if (!isFields(value)) return;
  for (const [field, part] of Object.entries(value)) {
    changeContainers(part, change);
    if ((field !== "containers" && field !== "initContainers") || !Array.isArray(part)) continue;
    for (const container of part) {
      if (!isFields(container)) throw new Doubtful("a container of an unusual shape");
      changeField(container, "image", change);
    }
  }
}

/** Paths pass through lists unseen. Kustomize makes a list of nothing where it expects one. */
function changeAt(value: unknown, [field = "", ...rest]: readonly string[], change: Change): void {
  if (value === null || value === undefined) return;
  if (Array.isArray(value)) {
    for (const item of value) changeAt(item, [field, ...rest], change);
    return;
  }
  if (!isFields(value) || (lists.has(field) && value[field] === null))
    throw new Doubtful("an image in an unusual place");
  if (rest.length > 0) changeAt(value[field], rest, change);
  else changeField(value, field, change);
}

function changeField(mapping: Record<string, unknown>, field: string, change: Change): void {
  const image = mapping[field];
  if (image === undefined) return;
  if (typeof image !== "string") throw new Doubtful("an image that is no text");
  const changed = change(image);
  if (changed === undefined) return;
  if (!/^[A-Za-z0-9][A-Za-z0-9._/:@{}-]*$/.test(changed) || !isPlainText(changed))
    throw new Doubtful("a text that needs quotes");
  mapping[field] = changed;
}
