import { readFile } from "node:fs/promises";
import { dirname, isAbsolute, join } from "node:path";
import { formatYaml, parseYamlDocuments } from "../text/yaml.ts";

type Fields = { [field: string]: unknown };

/** Fields of a kubeconfig that are paths: relative ones are meant from the file's own directory (kubectl's rule). */
const pathFields = ["certificate-authority", "client-certificate", "client-key", "tokenFile"];

/**
 * Reads one context of a kubeconfig file: the text holds that context alone, so that no other can be touched by whoever gets it,
 * and its relative paths are made absolute. Throws a sentence that lists the contexts where `context` is not given or unknown.
 */
export async function readKubeconfigContext(path: string, context: string | undefined): Promise<string> {
  const config = parse(path, await readText(path));
  const contexts = entries(config.contexts);
  const names = contexts.map(({ name }) => String(name));
  const list = names.length === 0 ? "it has none" : `it has ${names.map((name) => `'${name}'`).join(", ")}`;
  if (context === undefined)
    throw new Error(`--kubeconfig needs --context NAME, so that no cluster is touched by mistake: ${list}`);
  const chosen = contexts.find(({ name }) => name === context);
  if (chosen === undefined) throw new Error(`${path} has no context '${context}': ${list}`);
  const { cluster, user } = fieldsOf(chosen.context);
  const directory = dirname(path);
  return formatYaml({
    apiVersion: "v1",
    kind: "Config",
    "current-context": context,
    contexts: [chosen],
    clusters: entries(config.clusters)
      .filter(({ name }) => name === cluster)
      .map((entry) => ({ ...entry, cluster: absolute(fieldsOf(entry.cluster), directory) })),
    users: entries(config.users)
      .filter(({ name }) => name === user)
      .map((entry) => ({ ...entry, user: absolute(fieldsOf(entry.user), directory) })),
  });
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    throw new Error(`${path} cannot be read: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function parse(path: string, text: string): Fields {
  try {
    return fieldsOf(parseYamlDocuments(text)[0]);
  } catch {
    // The parser quotes what it read, and a kubeconfig holds credentials.
    throw new Error(`${path} is not YAML`);
  }
}

function absolute(fields: Fields, directory: string): Fields {
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) =>
      pathFields.includes(name) && typeof value === "string" && value !== "" && !isAbsolute(value)
        ? [name, join(directory, value)]
        : [name, value],
    ),
  );
}

function entries(value: unknown): Fields[] {
  return Array.isArray(value) ? value.map(fieldsOf) : [];
}

function fieldsOf(value: unknown): Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? { ...value } : {};
}
