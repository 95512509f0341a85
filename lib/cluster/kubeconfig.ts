import { readFileSync } from "node:fs";
import { parseYamlDocuments } from "../text/yaml.ts";

/** How an API server is reached: TLS material is PEM. */
export type Server = {
  url: string;
  certificateAuthority?: string;
  /** Whoever answers is believed: only where the operator allows it (KS-212). */
  insecure?: true;
  clientCertificate?: string;
  clientKey?: string;
  token?: string;
  basic?: { username: string; password: string };
  serverName?: string;
  proxy?: string;
  /** Answers are not to come compressed. */
  uncompressed?: true;
};

/** Whose kubeconfig it is, and what a tenant's may ask for. */
export type KubeconfigOptions = {
  context?: string;
  /** It is the operator's own, and may name files. */
  trusted?: boolean;
  /** A tenant's may turn the check of the server's certificate off (`--insecure-kubeconfig-tls`). */
  insecureTls?: boolean;
  /** Only the server is asked for: another credential goes with it. */
  withoutUser?: boolean;
};

/** The kubeconfig has no credentials but those that a program would give. */
export class ProgramRefused extends Error {
  constructor() {
    super(
      "the kubeconfig runs a program for its credentials, which is not supported: give it a token or a client certificate",
    );
    this.name = "ProgramRefused";
  }
}

type Fields = { [field: string]: unknown };

/**
 * Reads one context of a kubeconfig. Inline material is always used; paths of files are read only in a `trusted` one, the
 * operator's own, since a tenant's could name any file of this machine (KS-212). Programs are never run: a tenant's would have
 * the rights of the function that runs it. Throws a sentence for what is missing, without a secret.
 */
export function parseKubeconfig(text: string, options: KubeconfigOptions): Server {
  const config = fields(parseYamlDocuments(text)[0]);
  const contextName = options.context ?? string(config["current-context"]);
  const context = named(config.contexts, contextName, "context");
  const cluster = named(config.clusters, string(context.cluster), "cluster");
  const nobody = options.withoutUser === true || string(context.user) === undefined;
  const user = nobody ? {} : named(config.users, string(context.user), "user");
  const address = string(cluster.server);
  if (address === undefined) throw new Error(`the kubeconfig's cluster '${string(context.cluster)}' has no server`);
  const material = (inline: string, file: string, source: Fields) => {
    const data = string(source[inline]);
    if (data !== undefined) return Buffer.from(data, "base64").toString("utf8");
    const path = string(source[file]);
    return path === undefined || options.trusted !== true ? undefined : readFileSync(path, "utf8");
  };
  const tokenFile = string(user.tokenFile);
  const username = string(user.username);
  const server = defined({
    url: address.replace(/\/+$/, ""),
    certificateAuthority: material("certificate-authority-data", "certificate-authority", cluster),
    insecure: options.insecureTls === true && cluster["insecure-skip-tls-verify"] === true ? true : undefined,
    clientCertificate: material("client-certificate-data", "client-certificate", user),
    clientKey: material("client-key-data", "client-key", user),
    token:
      string(user.token) ??
      (tokenFile !== undefined && options.trusted === true ? readFileSync(tokenFile, "utf8").trim() : undefined),
    basic: username === undefined ? undefined : { username, password: string(user.password) ?? "" },
    serverName: string(cluster["tls-server-name"]),
    proxy: string(cluster["proxy-url"]),
    uncompressed: cluster["disable-compression"] === true ? true : undefined,
  });
  // With other credentials a tenant's program is not needed, and is passed over as Flux does; alone it would fail as anonymous.
  const credentials = server.token ?? server.basic ?? server.clientCertificate;
  if (user.exec !== undefined && (options.trusted === true || credentials === undefined)) throw new ProgramRefused();
  return { ...server, url: withScheme(server) };
}

/** As client-go: an address without a scheme is an HTTPS one where TLS is spoken of. */
function withScheme({ url, certificateAuthority, clientCertificate, insecure }: Server): string {
  if (url.includes("://")) return url;
  return `${(certificateAuthority ?? clientCertificate ?? insecure) === undefined ? "http" : "https"}://${url}`;
}

function named(list: unknown, name: string | undefined, what: string): Fields {
  const entries = Array.isArray(list) ? list.map(fields) : [];
  const found = entries.find((entry) => entry.name === name);
  if (name === undefined || found === undefined) throw new Error(`the kubeconfig has no ${what} '${name ?? ""}'`);
  return fields(found[what]);
}

function fields(value: unknown): Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Fields) : {};
}

function string(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}

function defined(server: { [Field in keyof Server]: Server[Field] | undefined } & { url: string }): Server {
  return Object.fromEntries(Object.entries(server).filter(([, value]) => value !== undefined)) as Server;
}
