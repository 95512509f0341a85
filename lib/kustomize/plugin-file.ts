import { isFields } from "../text/fields.ts";
import { parseYamlDocuments } from "../text/yaml.ts";
import { BuildFailed } from "./build-failed.ts";
import {
  configMapArguments,
  fieldSpecs,
  image,
  metadata,
  patch,
  replacements,
  replica,
  secretArguments,
  selector,
} from "./kustomization-file.ts";
import { DoesNotFit, decodeStruct, type Fields, type Struct, writeStruct } from "./shape.ts";

const textMap = { map: "text" } as const;
const target = { fields: { selector, fieldPath: "text", filePathPosition: "integer" } } as const;

/** The plugins that are part of kustomize, which may be configured by a file of their own (`generators`, `transformers`, `validators`). */
const builtins: Readonly<Record<string, Fields>> = {
  AnnotationsTransformer: { annotations: textMap, fieldSpecs },
  ConfigMapGenerator: configMapArguments,
  SecretGenerator: secretArguments,
  IAMPolicyGenerator: {
    cloud: "text",
    kubernetesService: { fields: { name: "text" } },
    serviceAccount: { fields: { name: "text", namespace: "text", projectId: "text" } },
    name: "text",
    namespace: "text",
    projectId: "text",
  },
  HashTransformer: {},
  ImageTagTransformer: { imageTag: { fields: image }, fieldSpecs },
  LabelTransformer: { labels: textMap, fieldSpecs },
  NamespaceTransformer: { fieldSpecs, unsetOnly: "flag", setRoleBindingSubjects: "text" },
  PatchJson6902Transformer: { target: selector, path: "text", jsonOp: "text" },
  PatchStrategicMergeTransformer: { paths: { list: "text" }, patches: "text" },
  PatchTransformer: patch,
  PrefixTransformer: { prefix: "text", fieldSpecs },
  SuffixTransformer: { suffix: "text", fieldSpecs },
  PrefixSuffixTransformer: { prefix: "text", suffix: "text", fieldSpecs },
  ReplicaCountTransformer: { replica: { fields: replica }, fieldSpecs },
  ReplacementTransformer: { replacements },
  ValueAddTransformer: { value: "text", targets: { list: target }, targetFilePath: "text" },
};

/**
 * Reads the configuration of built-in plugins, one a document; `undefined` where the text is no such thing but a path.
 * Any other plugin is a program, which is never run, and Helm is off (KS-072). Throws BuildFailed.
 */
export function readPlugins(text: string): Struct[] | undefined {
  let documents: unknown[];
  try {
    documents = parseYamlDocuments(text);
  } catch {
    return undefined;
  }
  const present = documents.filter((document) => document !== null && document !== undefined);
  if (!present.every(isFields)) return undefined;
  return present.map(readPlugin);
}

/** Writes configurations of plugins so that kustomize reads exactly what was checked. */
export function writePlugins(plugins: Struct[]): string {
  return plugins.map(writeStruct).join("\n---\n");
}

function readPlugin(document: Record<string, unknown>): Struct {
  const { apiVersion, kind } = document;
  const fields = typeof kind === "string" && Object.hasOwn(builtins, kind) ? builtins[kind] : undefined;
  if (kind === "HelmChartInflationGenerator")
    throw new BuildFailed(
      "kustomize build failed: plugin HelmChartInflationGenerator fails configuration: must specify --enable-helm",
    );
  if (apiVersion !== "builtin" || fields === undefined)
    throw new BuildFailed(
      `kustomize build failed: external plugins disabled; unable to load external plugin '${String(kind)}'`,
    );
  try {
    return decodeStruct(document, { apiVersion: "text", kind: "text", metadata, ...fields }, "lenient", String(kind));
  } catch (error) {
    if (!(error instanceof DoesNotFit)) throw error;
    throw new BuildFailed(`kustomize build failed: plugin ${String(kind)} fails configuration: ${error.message}`, {
      cause: error,
    });
  }
}
