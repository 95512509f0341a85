import { readFile } from "node:fs/promises";
import { dirname, isAbsolute, join } from "node:path";
import { messageOf } from "../text/error-message.ts";
import { formatYaml, parseYamlDocuments } from "../text/yaml.ts";
import { type ExecCredential, execCredential } from "./exec-credential.ts";

type Fields = { [field: string]: unknown };

/** Fields of a kubeconfig that are paths: relative ones are meant from the file's own directory (kubectl's rule). */
const pathFields = ["certificate-authority", "client-certificate", "client-key", "tokenFile"];

/** Gives the kubeconfig of one context as it is now: with credentials that are good, of a file that may have been rotated. */
export type KubeconfigReader = () => Promise<string>;

/** How long what was read is taken for what the file holds, in milliseconds. */
const freshFor = 5_000;

/**
 * Reads one context of a kubeconfig file now and whenever it is asked: the text holds that context alone, so that no other can be
 * touched by whoever gets it, its relative paths are made absolute, and a credential plug-in's place is taken by the credential
 * that it gave. Throws a sentence that lists the contexts where `context` is not given or unknown.
 */
export async function openKubeconfigContext(path: string, context: string | undefined): Promise<KubeconfigReader> {
  let credential: (ExecCredential & { of: string }) | undefined;
  let last = { text: await read(), at: Date.now() };
  let reading: Promise<string> | undefined;

  async function read(): Promise<string> {
    const { cluster, user, ...chosen } = chooseContext(path, parse(path, await readText(path)), context);
    if (user.exec === undefined) return kubeconfigOf({ ...chosen, cluster, user });
    const of = JSON.stringify([user.exec, cluster]);
    if (credential?.of !== of || credential.until < Date.now()) {
      credential = { ...(await execCredential(fieldsOf(user.exec), cluster, dirname(path))), of };
    }
    return kubeconfigOf({ ...chosen, cluster, user: credential.user });
  }

  return async () => {
    if (Date.now() - last.at < freshFor) return last.text;
    reading ??= read().finally(() => {
      reading = undefined;
    });
    last = { text: await reading, at: Date.now() };
    return last.text;
  };
}

/** The same, read once. */
export async function readKubeconfigContext(path: string, context: string | undefined): Promise<string> {
  const read = await openKubeconfigContext(path, context);
  return read();
}

type Chosen = { context: Fields; cluster: Fields; user: Fields };

function chooseContext(path: string, config: Fields, name: string | undefined): Chosen {
  const contexts = entries(config.contexts);
  const names = contexts.map((entry) => `'${String(entry.name)}'`);
  const list = names.length === 0 ? "it has none" : `it has ${names.join(", ")}`;
  if (name === undefined)
    throw new Error(`--kubeconfig needs --context NAME, so that no cluster is touched by mistake: ${list}`);
  const chosen = contexts.find((entry) => entry.name === name);
  if (chosen === undefined) throw new Error(`${path} has no context '${name}': ${list}`);
  const context = fieldsOf(chosen.context);
  const named = (list: unknown, what: "cluster" | "user") =>
    absolute(fieldsOf(entries(list).find((entry) => entry.name === context[what])?.[what]), dirname(path));
  return { context, cluster: named(config.clusters, "cluster"), user: named(config.users, "user") };
}

function kubeconfigOf({ context, cluster, user }: Chosen): string {
  const name = "sluice";
  return formatYaml({
    apiVersion: "v1",
    kind: "Config",
    "current-context": name,
    contexts: [{ name, context: { ...context, cluster: name, user: name } }],
    clusters: [{ name, cluster }],
    users: [{ name, user }],
  });
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    throw new Error(`${path} cannot be read: ${messageOf(error)}`);
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
