import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { unpackFromLayer } from "../../lib/kustomize/layer-archive.ts";
import {
  type CertificatePair,
  createCertificateAuthority,
  issueCertificate,
} from "../../lib/platform/local/certificate.ts";

const run = promisify(execFile);

/** What came in, and how many bytes of HTTP went out for it, headers included. */
export type RepositoryRequest = {
  path: string;
  authorization: string | undefined;
  headers: IncomingMessage["headers"];
  status: number;
  sent: number;
};

/** A repository of charts over HTTPS, as `helm repo index` makes it and any web server serves it. */
export type ChartRepositoryServer = {
  /** `https://127.0.0.1:<port>`, without a slash at its end. */
  url: string;
  /** PEM of the authority that signed the server's certificate. */
  certificateAuthority: string;
  /** A certificate and key that the server takes for a client's. */
  client: CertificatePair;
  /** Every request that was answered; a test may empty it. */
  requests: RepositoryRequest[];
  /** Directory of the files that are served, for a test to write to. */
  directory: string;
  /** Set it to misbehave: called first, it answers the request itself and returns true, or returns false. */
  intercept: (request: IncomingMessage, response: ServerResponse) => boolean;
  /** Packs a chart by helm and brings the index up to date. `files` are put into it, besides those of every chart. */
  publish(name: string, version: string, files?: Record<string, string>): Promise<void>;
  stop(): Promise<void>;
};

/** `basic`: anybody else gets 401. `mutual`: only who shows the client's certificate may speak. `indexUrl` is what charts' URLs begin with. */
export type ChartRepositoryOptions = {
  basic?: { username: string; password: string };
  mutual?: boolean;
  indexUrl?: string;
};

/** Runs helm, the one of the kubectl layer, and resolves with what it prints. */
export async function helm(...args: string[]): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "sluice-helm-"));
  try {
    const env = { HOME: directory, PATH: process.env.PATH ?? "" };
    return (await run(await unpackFromLayer("helm/helm"), args, { env })).stdout;
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** Starts a repository without charts. */
export async function startChartRepository(options: ChartRepositoryOptions = {}): Promise<ChartRepositoryServer> {
  const directory = await mkdtemp(join(tmpdir(), "sluice-charts-"));
  const authority = createCertificateAuthority("chart repository");
  const own = issueCertificate(authority, { names: ["127.0.0.1", "localhost"] });
  const mutual =
    options.mutual === true ? { ca: authority.certificate, requestCert: true, rejectUnauthorized: true } : {};
  const listener = createServer({ cert: own.certificate, key: own.key, ...mutual }, (request, response) => {
    const { socket } = request;
    const before = socket.bytesWritten;
    response.once("close", () => {
      const { authorization } = request.headers;
      const { statusCode: status } = response;
      const sent = socket.bytesWritten - before;
      server.requests.push({ path: request.url ?? "", authorization, headers: request.headers, status, sent });
    });
    if (server.intercept(request, response)) return;
    if (options.basic !== undefined && request.headers.authorization !== basicHeader(options.basic)) {
      response.writeHead(401, { "www-authenticate": 'Basic realm="charts"' }).end("unauthorized\n");
      return;
    }
    void serve(directory, request, response);
  });
  listener.listen(0, "127.0.0.1");
  await once(listener, "listening");
  const address = listener.address();
  if (address === null || typeof address === "string") throw new Error("the repository has no port");
  const url = `https://127.0.0.1:${address.port}`;
  const server: ChartRepositoryServer = {
    url,
    certificateAuthority: authority.certificate,
    client: issueCertificate(authority, { names: [], commonName: "client" }),
    requests: [],
    directory,
    intercept: () => false,
    publish: async (name, version, files = {}) => {
      const chart = await mkdtemp(join(tmpdir(), "sluice-chart-"));
      try {
        const all = { "Chart.yaml": `apiVersion: v2\nname: ${name}\nversion: ${version}\n`, ...chartFiles, ...files };
        for (const [path, content] of Object.entries(all)) {
          await mkdir(join(chart, name, path, ".."), { recursive: true });
          await writeFile(join(chart, name, path), content);
        }
        await helm("package", join(chart, name), "--destination", directory);
        await helm("repo", "index", directory, ...(options.indexUrl === undefined ? [] : ["--url", options.indexUrl]));
      } finally {
        await rm(chart, { recursive: true, force: true });
      }
    },
    stop: async () => {
      const closed = once(listener, "close");
      listener.close();
      listener.closeAllConnections();
      await closed;
      await rm(directory, { recursive: true, force: true });
    },
  };
  return server;
}

/** The header by which a client says who it is. */
export function basicHeader({ username, password }: { username: string; password: string }): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}`;
}

const chartFiles = {
  "values.yaml": "message: hello\n",
  "templates/configmap.yaml":
    "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ .Release.Name }}\ndata:\n  message: {{ .Values.message }}\n",
};

/** A static file with its ETag, as web servers have it. */
async function serve(directory: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const path = new URL(request.url ?? "", "https://localhost").pathname;
  const name = path.slice(path.lastIndexOf("/") + 1);
  let content: Buffer;
  try {
    content = await readFile(join(directory, name));
  } catch {
    response.writeHead(404, { "content-type": "text/plain" }).end("404 page not found\n");
    return;
  }
  const etag = `"${createHash("sha256").update(content).digest("hex").slice(0, 16)}"`;
  if (request.headers["if-none-match"] === etag) response.writeHead(304, { etag }).end();
  else response.writeHead(200, { etag, "content-length": content.length }).end(content);
}
