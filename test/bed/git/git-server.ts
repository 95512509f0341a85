import { timingSafeEqual } from "node:crypto";
import { once } from "node:events";
import { mkdir } from "node:fs/promises";
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { resolve } from "node:path";
import { gitHttpBackend } from "../../../lib/host/git/http-backend.ts";
import { createRepository, type GitRepository, type RepositoryOptions } from "../../../lib/host/git/repository.ts";

/** What came in: the path with its query, and the protocol that the client asked for (`version=2`). */
export type GitRequest = { method: string; path: string; protocol: string | undefined };

/** Git over HTTP or HTTPS by git's own server program, on the loopback interface. */
export type GitServer = {
  /** `http(s)://127.0.0.1:<port>`, without a slash at the end. */
  url: string;
  /** Every request so far, also those that were refused; a test may empty it. */
  requests: GitRequest[];
  /** Set it to misbehave: called before anything else, it answers the request itself and returns true, or returns false. */
  intercept: (request: IncomingMessage, response: ServerResponse) => boolean;
  /** Makes an empty repository at `<url>/<name>.git` whose default branch is `main`. */
  repository(name: string, options?: RepositoryOptions): Promise<GitRepository>;
  /** Ends every connection. */
  stop(): Promise<void>;
};

/**
 * `directory` holds the repositories. With `tls` the server speaks HTTPS by this certificate and key (PEM); the certificate
 * must hold the name that clients use. With `basic` or `bearer` it answers 401 to requests without those credentials;
 * with both, either will do.
 */
export type GitServerOptions = {
  directory: string;
  tls?: { certificate: string; key: string };
  basic?: { username: string; password: string };
  bearer?: string;
  port?: number;
};

/** Starts a Git server. Rejects where the port is taken. */
export async function startGitServer(options: GitServerOptions): Promise<GitServer> {
  const directory = resolve(options.directory);
  await mkdir(directory, { recursive: true });
  const answer: RequestListener = (request, response) => {
    server.requests.push({
      method: request.method ?? "",
      path: request.url ?? "",
      protocol: request.headers["git-protocol"]?.toString(),
    });
    if (server.intercept(request, response)) return;
    if (!authorized(request.headers.authorization, options)) {
      response.writeHead(401, { "www-authenticate": 'Basic realm="git"' }).end("authentication required\n");
      return;
    }
    gitHttpBackend(directory, request, response);
  };
  const listener = options.tls
    ? createTlsServer({ cert: options.tls.certificate, key: options.tls.key }, answer)
    : createServer(answer);
  listener.listen(options.port ?? 0, "127.0.0.1");
  await once(listener, "listening");
  const address = listener.address();
  if (address === null || typeof address === "string") throw new Error("the Git server has no port");
  const url = `${options.tls ? "https" : "http"}://127.0.0.1:${address.port}`;
  const server: GitServer = {
    url,
    requests: [],
    intercept: () => false,
    repository: (name, repositoryOptions) => createRepository(directory, url, name, repositoryOptions ?? {}),
    stop: async () => {
      const closed = once(listener, "close");
      listener.close();
      listener.closeAllConnections();
      await closed;
    },
  };
  return server;
}

function authorized(header: string | undefined, options: GitServerOptions): boolean {
  const accepted: string[] = [];
  if (options.basic) {
    accepted.push(`Basic ${Buffer.from(`${options.basic.username}:${options.basic.password}`).toString("base64")}`);
  }
  if (options.bearer !== undefined) accepted.push(`Bearer ${options.bearer}`);
  return accepted.length === 0 || accepted.some((value) => equal(value, header ?? ""));
}

function equal(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)];
  return left.length === right.length && timingSafeEqual(left, right);
}
