import { execFile } from "node:child_process";
import { isAbsolute, join } from "node:path";
import { promisify } from "node:util";

type Fields = { [field: string]: unknown };

/** What a credential plug-in gave, in the fields of a kubeconfig's user, and until when it is good (ms since 1970). */
export type ExecCredential = { user: Fields; until: number };

const run = promisify(execFile);
const limits = { timeout: 60_000, maxBuffer: 1024 * 1024 };

/** A credential is asked for anew so long before it ends, in milliseconds. */
const margin = 60_000;

/**
 * Runs the credential plug-in that a kubeconfig's user names (client.authentication.k8s.io, v1 and v1beta1), as kubectl does: EKS,
 * GKE and AKS write such kubeconfigs. Only ever for a file that the operator named: it is a program that runs with the operator's
 * own environment, from which it takes its credentials. `directory` is the kubeconfig's, `cluster` its cluster.
 * Throws a sentence where the plug-in is missing, fails, or gives no credential.
 */
export async function execCredential(exec: Fields, cluster: Fields, directory: string): Promise<ExecCredential> {
  const { command, apiVersion } = exec;
  if (typeof command !== "string" || command === "")
    throw new Error("the kubeconfig's credential plug-in has no command");
  const version = typeof apiVersion === "string" ? apiVersion : "client.authentication.k8s.io/v1";
  const info = {
    apiVersion: version,
    kind: "ExecCredential",
    spec: { interactive: false, ...clusterInfo(exec, cluster) },
  };
  const env = { ...process.env, ...variables(exec.env), KUBERNETES_EXEC_INFO: JSON.stringify(info) };
  const args = Array.isArray(exec.args) ? exec.args.map(String) : [];
  // A path is meant from the kubeconfig's directory; a bare name is looked up in PATH.
  const program = command.includes("/") && !isAbsolute(command) ? join(directory, command) : command;
  const printed = await run(program, args, { ...limits, env }).then(
    ({ stdout }) => stdout,
    (error: unknown) => {
      throw new Error(`the kubeconfig's credential plug-in ${command} failed: ${complaint(error)}`);
    },
  );
  return parseCredential(command, printed);
}

function clusterInfo(exec: Fields, cluster: Fields): Fields {
  return exec.provideClusterInfo === true ? { cluster } : {};
}

function variables(env: unknown): Record<string, string> {
  const entries = Array.isArray(env) ? env.map(fieldsOf) : [];
  return Object.fromEntries(entries.map(({ name, value }) => [String(name), String(value)]));
}

/** What the program wrote to standard error; what it wrote to standard output may be a credential. */
function complaint(error: unknown): string {
  const { code, stderr } = fieldsOf(error);
  if (code === "ENOENT") return "there is no such program";
  const text = typeof stderr === "string" ? stderr.trim() : "";
  return text === "" ? `it ended with ${String(code)}` : text.slice(-500);
}

function parseCredential(command: string, printed: string): ExecCredential {
  let status: Fields = {};
  try {
    status = fieldsOf(fieldsOf(JSON.parse(printed)).status);
  } catch {
    // Told below: what was printed is not repeated.
  }
  const { token, clientCertificateData, clientKeyData, expirationTimestamp } = status;
  const user: Fields = {};
  if (typeof token === "string" && token !== "") user.token = token;
  if (typeof clientCertificateData === "string" && typeof clientKeyData === "string") {
    user["client-certificate-data"] = Buffer.from(clientCertificateData).toString("base64");
    user["client-key-data"] = Buffer.from(clientKeyData).toString("base64");
  }
  if (Object.keys(user).length === 0)
    throw new Error(`the kubeconfig's credential plug-in ${command} gave neither a token nor a client certificate`);
  const expires = typeof expirationTimestamp === "string" ? Date.parse(expirationTimestamp) : Number.NaN;
  return { user, until: Number.isNaN(expires) ? Number.POSITIVE_INFINITY : expires - margin };
}

function fieldsOf(value: unknown): Fields {
  return typeof value === "object" && value !== null ? Object.fromEntries(Object.entries(value)) : {};
}
