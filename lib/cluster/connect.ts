import { type ClientRequest, Agent as HttpAgent, request as httpRequest, type IncomingMessage } from "node:http";
import { Agent, request as httpsRequest } from "node:https";
import type { LookupFunction } from "node:net";
import { pipeline, type Readable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { createGunzip } from "node:zlib";
import { ApiError, parseApiError } from "./api-error.ts";
import type { ApiRequest, ClusterClient } from "./client.ts";
import { shareDiscovery } from "./discovery.ts";
import { parseKubeconfig, type Server } from "./kubeconfig.ts";
import { throughProxy } from "./tunnel.ts";

/**
 * A cluster to connect to: by kubeconfig, or by its address with a bearer token that is asked for at each request, and so may
 * be renewed under a long wait. `certificateAuthority` is PEM.
 */
export type ClusterAddress =
  | { type: "kubeconfig"; kubeconfig: string; context?: string }
  | { type: "token"; url: string; certificateAuthority?: string; token: () => Promise<string> };

export type ConnectOptions = {
  userAgent: string;
  /** The kubeconfig is the operator's own and may name files. */
  trusted?: boolean;
  /**
   * A tenant chose the address: who is never to be reached. Throws where the URL names such an address itself; `lookup` fails
   * where a name leads to one. What a tenant's server answers is bounded in size and time, too.
   */
  guard?: (url: URL) => { lookup: LookupFunction };
  /** A tenant's kubeconfig may turn the check of its server's certificate off (KS-212). */
  insecureTls?: boolean;
  /** Sees every request that is sent, for counting. */
  onRequest?: (method: string, path: string) => void;
};

/** Largest answer that is read, in bytes: a LIST of a large cluster is some tens of megabytes. */
const answerLimit = { own: 256 * 1024 * 1024, guarded: 64 * 1024 * 1024 };
/** KS-212: how long a connection may be silent under a request, and a whole request to a tenant's server may take. */
const requestMilliseconds = 30_000;
/** Characters of a tenant's server's refusal that are passed on. */
const messageLimit = 2_000;
/** How often one request is sent at most. */
const attempts = 5;
/** Connections an API server: enough for a stage of objects at once. */
const sockets = 64;
/** How long an idle connection to a tenant's server is kept, in milliseconds: it may never end them itself. */
const idleMilliseconds = 60_000;

/**
 * A client of one API server on kept-alive connections (design, decision 12). Answers are parsed as JSON; refusals are
 * thrown as ApiError. A refusal that names the time to ask again is repeated then, a lost connection at once, both a few times. Throws a
 * sentence where the kubeconfig cannot be used, and what the guard throws.
 */
export function connect(address: ClusterAddress, options: ConnectOptions): ClusterClient {
  const reach = address.type === "token" ? tokenReach(address) : kubeconfigReach(address, options);
  const url = parseServerUrl(reach.server.url);
  const agentOptions = {
    keepAlive: true,
    maxSockets: sockets,
    ...(options.guard === undefined ? {} : { ...options.guard(url), timeout: idleMilliseconds }),
  };
  const tls = tlsOf(reach.server);
  const agent = url.protocol === "http:" ? new HttpAgent(agentOptions) : new Agent({ ...agentOptions, ...tls });
  if (reach.server.proxy !== undefined) {
    const proxy = parseServerUrl(reach.server.proxy);
    const secured = url.protocol === "https:" ? { tls } : {};
    throughProxy(agent, { proxy, server: url, ...secured, ...options.guard?.(proxy) });
  }
  return clientOf({ ...reach, agent, options }, undefined);
}

function parseServerUrl(text: string): URL {
  const url = URL.parse(text);
  if (url === null) throw new Error("the kubeconfig's server or proxy-url is not a URL");
  return url;
}

function tlsOf(server: Server) {
  return {
    ...(server.certificateAuthority === undefined ? {} : { ca: server.certificateAuthority }),
    ...(server.insecure === true ? { rejectUnauthorized: false } : {}),
    ...(server.clientCertificate === undefined ? {} : { cert: server.clientCertificate }),
    ...(server.clientKey === undefined ? {} : { key: server.clientKey }),
    ...(server.serverName === undefined ? {} : { servername: server.serverName }),
  };
}

type Reach = { server: Server; authorization: () => Promise<string | undefined> };
type Connection = Reach & { agent: HttpAgent | Agent; options: ConnectOptions };

function kubeconfigReach(address: Extract<ClusterAddress, { type: "kubeconfig" }>, options: ConnectOptions): Reach {
  const server = parseKubeconfig(address.kubeconfig, {
    ...(address.context === undefined ? {} : { context: address.context }),
    ...(options.trusted === undefined ? {} : { trusted: options.trusted }),
    ...(options.insecureTls === undefined ? {} : { insecureTls: options.insecureTls }),
  });
  const { token, basic } = server;
  const authorization =
    token !== undefined
      ? `Bearer ${token}`
      : basic !== undefined
        ? `Basic ${Buffer.from(`${basic.username}:${basic.password}`).toString("base64")}`
        : undefined;
  return { server, authorization: async () => authorization };
}

function tokenReach({ url, certificateAuthority, token }: Extract<ClusterAddress, { type: "token" }>): Reach {
  const server = {
    url: url.replace(/\/+$/, ""),
    ...(certificateAuthority === undefined ? {} : { certificateAuthority }),
  };
  return { server, authorization: async () => `Bearer ${await token()}` };
}

function clientOf(connection: Connection, user: string | undefined): ClusterClient {
  const client: ClusterClient = {
    // The shape of an answer is the caller's claim: each names the type that the API it calls documents.
    request: <T>(request: ApiRequest) => send(connection, user, request) as Promise<T>,
    as: (other) => shareDiscovery(client, clientOf(connection, other)),
  };
  return client;
}

async function send(connection: Connection, user: string | undefined, request: ApiRequest): Promise<unknown> {
  const body = request.body === undefined ? undefined : formatJson(request.body);
  for (let attempt = 1; ; attempt++) {
    try {
      const answer = await exchange(connection, user, request, body);
      if (answer.status < 400) return answer.body === "" ? undefined : JSON.parse(answer.body);
      if (!isAskedToWait(answer) || attempt === attempts) throw refusalOf(answer, connection, request);
      await sleep(
        Math.min(answer.retryAfter ?? 1, 5) * 1000,
        undefined,
        request.signal === undefined ? {} : { signal: request.signal },
      );
    } catch (error) {
      if (attempt === attempts || !mayRepeat(error, request)) throw error;
      await sleep(20 * attempt);
    }
  }
}

/** As client-go has it: a server that is overloaded, starting or stopping names the time to ask again. */
function isAskedToWait({ status, retryAfter }: Answer): boolean {
  return status === 429 || (status >= 500 && retryAfter !== undefined);
}

/** What a tenant's server says goes into statuses and events: no more of it than they hold. */
function refusalOf(answer: Answer, { options }: Connection, request: ApiRequest): ApiError {
  const error = parseApiError(answer.status, answer.body, request);
  if (options.guard === undefined || error.message.length <= messageLimit) return error;
  const message = `${error.message.slice(0, messageLimit)}...`;
  return new ApiError(error.statusCode, error.reason, message, error.causes);
}

/**
 * A connection that failed before anything was stored, or under a request that may be stored twice. A kept-alive connection
 * that the server closed meanwhile counts as the former, as in net/http: the server ends idle ones.
 */
function mayRepeat(error: unknown, { method, once }: ApiRequest): boolean {
  if (!(error instanceof Error) || !("code" in error)) return false;
  if (error.code === "ECONNREFUSED") return true;
  const lost = error.code === "ECONNRESET" || error.code === "EPIPE";
  return lost && once !== true && (method !== "POST" || ("reusedSocket" in error && error.reusedSocket === true));
}

/** `retryAfter` in seconds, where the server names it. */
type Answer = { status: number; body: string; retryAfter: number | undefined };

async function exchange(
  connection: Connection,
  user: string | undefined,
  request: ApiRequest,
  body: string | undefined,
): Promise<Answer> {
  const { server, agent, options } = connection;
  const authorization = await connection.authorization();
  const url = new URL(server.url + request.path + queryOf(request.query));
  // A name in it may be a tenant's: what a URL would resolve or cut off (`..`, `?`, `#`) would lead to another object.
  if (!url.pathname.endsWith(request.path))
    throw new ApiError(400, "BadRequest", `invalid resource name in ${JSON.stringify(request.path.slice(0, 500))}`);
  options.onRequest?.(request.method, url.pathname + url.search);
  const send = url.protocol === "http:" ? httpRequest : httpsRequest;
  const tooLate = () =>
    new Error(`the API server did not answer ${request.method} ${request.path} within ${requestMilliseconds / 1000} s`);
  const guarded = options.guard !== undefined;
  let ending: NodeJS.Timeout | undefined;
  return new Promise<Answer>((resolve, reject) => {
    const outgoing: ClientRequest = send(
      url,
      {
        agent,
        method: request.method,
        timeout: requestMilliseconds,
        ...(request.signal === undefined ? {} : { signal: request.signal }),
        headers: {
          accept: request.accept ?? "application/json",
          "user-agent": options.userAgent,
          // Within one network, compressing costs more than it saves.
          ...(guarded && server.uncompressed !== true ? { "accept-encoding": "gzip" } : {}),
          ...(authorization === undefined ? {} : { authorization }),
          ...(user === undefined ? {} : { "impersonate-user": user }),
          ...(body === undefined
            ? {}
            : { "content-type": request.contentType ?? "application/json", "content-length": Buffer.byteLength(body) }),
        },
      },
      (incoming) => read(incoming, guarded ? answerLimit.guarded : answerLimit.own).then(resolve, reject),
    );
    outgoing.on("timeout", () => outgoing.destroy(tooLate()));
    if (guarded)
      ending = setTimeout(() => {
        reject(tooLate());
        outgoing.destroy();
      }, requestMilliseconds);
    outgoing.on("error", (error) => reject(Object.assign(error, { reusedSocket: outgoing.reusedSocket })));
    outgoing.end(body);
  }).finally(() => clearTimeout(ending));
}

async function read(incoming: IncomingMessage, limit: number): Promise<Answer> {
  const chunks: Buffer[] = [];
  let size = 0;
  // What goes wrong in either stream is met by who reads the second one.
  const packed = incoming.headers["content-encoding"]?.toLowerCase() === "gzip";
  const plain: Readable = packed ? pipeline(incoming, createGunzip(), () => undefined) : incoming;
  for await (const chunk of plain) {
    size += chunk.length;
    if (size > limit) {
      incoming.destroy();
      throw new Error(`the API server's answer is larger than ${limit} bytes`);
    }
    chunks.push(chunk);
  }
  const retryAfter = Number(incoming.headers["retry-after"] ?? Number.NaN);
  return {
    status: incoming.statusCode ?? 0,
    body: Buffer.concat(chunks).toString("utf8"),
    retryAfter: Number.isFinite(retryAfter) ? retryAfter : undefined,
  };
}

function queryOf(query: ApiRequest["query"]): string {
  const present = Object.entries(query ?? {}).filter(
    (entry): entry is [string, string | number | boolean] => entry[1] !== undefined,
  );
  return present.length === 0
    ? ""
    : `?${new URLSearchParams(present.map(([key, value]): [string, string] => [key, String(value)]))}`;
}

/** JSON with integers beyond 2^53 written whole. */
function formatJson(value: unknown): string {
  return JSON.stringify(value, (_key, entry: unknown) => (typeof entry === "bigint" ? rawJson(String(entry)) : entry));
}

/** JSON.rawJSON (ES2025), which the compiler's library does not know yet. */
const rawJson = (JSON as unknown as { rawJSON: (text: string) => unknown }).rawJSON;
