import { parseYamlDocuments } from "../text/yaml.ts";
import { decodeStruct, type Fields, type Reading, type Shape, type Struct, type Value } from "./shape.ts";

/** The names that kustomize knows a kustomization by, in the order it looks for them. */
export const kustomizationFileNames = ["kustomization.yaml", "kustomization.yml", "Kustomization"];

const texts: Shape = { list: "text" };
const textMap: Shape = { map: "text" };
const kind: Fields = { group: "text", version: "text", kind: "text" };

/** What selects objects (`types.Selector`). */
export const selector: Shape = {
  fields: { ...kind, name: "text", namespace: "text", labelSelector: "text", annotationSelector: "text" },
};

/** Where a transformer changes an object (`types.FieldSpec`). */
export const fieldSpecs: Shape = { list: { fields: { ...kind, path: "text", create: "flag" } } };

/** `metadata` of a kustomization or of a plugin's configuration. */
export const metadata: Shape = {
  fields: { name: "text", namespace: "text", labels: textMap, annotations: textMap },
};

/** Another image (`types.Image`). */
export const image: Fields = { name: "text", newName: "text", tagSuffix: "text", newTag: "text", digest: "text" };

/** Another number of replicas (`types.Replica`). */
export const replica: Fields = { name: "text", count: "integer" };

/** A patch (`types.Patch`). */
export const patch: Fields = {
  path: "text",
  patch: "text",
  target: selector,
  options: { fields: { allowNameChange: "flag", allowKindChange: "flag" } },
};

const options: Shape = { fields: { delimiter: "text", index: "integer", encoding: "text", create: "flag" } };

/** What is copied from where to where (`types.ReplacementField`). */
export const replacements: Shape = {
  list: {
    fields: {
      path: "text",
      source: { fields: { ...kind, name: "text", namespace: "text", fieldPath: "text", options } },
      sourceValue: "text",
      targets: {
        list: { fields: { select: selector, reject: { list: selector }, fieldPaths: texts, options } },
      },
    },
  },
};

const generatorOptions: Shape = {
  fields: { labels: textMap, annotations: textMap, disableNameSuffixHash: "flag", immutable: "flag" },
};

/** What a ConfigMap is generated from (`types.ConfigMapArgs`). */
export const configMapArguments: Fields = {
  namespace: "text",
  name: "text",
  behavior: "text",
  literals: texts,
  files: texts,
  envs: texts,
  env: "text",
  options: generatorOptions,
};

/** What a Secret is generated from (`types.SecretArgs`). */
export const secretArguments: Fields = { ...configMapArguments, type: "text" };

/** `types.Kustomization` of kustomize 5.8.1: every field it knows. */
export const kustomization: Fields = {
  apiVersion: "text",
  kind: "text",
  metadata,
  openapi: textMap,
  namePrefix: "text",
  nameSuffix: "text",
  namespace: "text",
  commonLabels: textMap,
  labels: {
    list: {
      fields: { pairs: textMap, includeSelectors: "flag", includeTemplates: "flag", fields: fieldSpecs },
    },
  },
  commonAnnotations: textMap,
  patchesStrategicMerge: texts,
  patchesJson6902: { list: { fields: patch } },
  patches: { list: { fields: patch } },
  images: { list: { fields: image } },
  imageTags: { list: { fields: image } },
  replacements,
  replicas: { list: { fields: replica } },
  vars: {
    list: {
      fields: {
        name: "text",
        objref: { fields: { apiVersion: "text", ...kind, name: "text", namespace: "text" } },
        fieldref: { fields: { fieldPath: "text" } },
      },
    },
  },
  sortOptions: {
    fields: { order: "text", legacySortOptions: { fields: { orderFirst: texts, orderLast: texts } } },
  },
  resources: texts,
  components: texts,
  crds: texts,
  bases: texts,
  configMapGenerator: { list: { fields: configMapArguments } },
  secretGenerator: { list: { fields: secretArguments } },
  helmGlobals: { fields: { chartHome: "text", configHome: "text" } },
  helmCharts: { list: "free" },
  helmChartInflationGenerator: { list: "free" },
  generatorOptions,
  configurations: texts,
  generators: texts,
  transformers: texts,
  validators: texts,
  buildMetadata: texts,
};

const sizeLimit = 4 * 1024 * 1024;

/**
 * Reads a kustomization file: its first document, as kustomize does. Throws where it is no YAML, larger than 4 MiB, or does
 * not fit.
 */
export function readKustomization(content: Uint8Array, reading: Reading): Struct {
  if (content.length > sizeLimit) throw new Error(`larger than the limit of ${sizeLimit} bytes`);
  return decodeStruct(parseYamlDocuments(decodeText(content))[0], kustomization, reading, "Kustomization");
}

/** A file's text. What is not UTF-8 is refused: kustomize would refuse it, too, but maybe read it differently first. */
export function decodeText(content: Uint8Array): string {
  return new TextDecoder("utf-8", { fatal: true }).decode(content);
}

/** A field's list of texts, empty where the field is absent. */
export function textsOf(struct: Struct, field: string): string[] {
  const value = struct[field];
  return Array.isArray(value) ? value.filter((item) => typeof item === "string") : [];
}

/** A field's list of structs, empty where the field is absent. */
export function structsOf(struct: Struct, field: string): Struct[] {
  const value = struct[field];
  return Array.isArray(value) ? value.filter(isStruct) : [];
}

/** A field's text, or undefined where it is absent or empty, which is the same to Go. */
export function textOf(struct: Struct, field: string): string | undefined {
  const value = struct[field];
  return typeof value === "string" && value !== "" ? value : undefined;
}

function isStruct(value: Value): value is Struct {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
