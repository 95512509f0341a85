import { type ClientRequest, Agent as HttpAgent, request as httpRequest, type IncomingMessage } from "node:http";
import { Agent, request as httpsRequest } from "node:https";
import { setTimeout as sleep } from "node:timers/promises";
import { parseApiError } from "./api-error.ts";
import type { ApiRequest, ClusterClient } from "./client.ts";
import { shareDiscovery } from "./discovery.ts";
import { type Credentials, eksToken } from "./eks-token.ts";
import { parseKubeconfig, type Server } from "./kubeconfig.ts";

/** A cluster to connect to: by kubeconfig, or by EKS name with a token signed locally. */
export type ClusterAddress =
  | { type: "kubeconfig"; kubeconfig: string; context?: string }
  | { type: "eks"; name: string; region: string; endpoint: string; certificateAuthority: string };

export type ConnectOptions = {
  userAgent: string;
  /** The kubeconfig is the operator's own and may name files. */
  trusted?: boolean;
  /** Where the AWS credentials for EKS tokens come from. */
  credentials?: () => Promise<Credentials>;
  /** Sees every request that is sent, for counting. */
  onRequest?: (method: string, path: string) => void;
};

/** Largest answer that is read, in bytes: a LIST of a large cluster is some tens of megabytes. */
const answerLimit = 256 * 1024 * 1024;
/** KS-212: how long a connection may be silent under a request. */
const requestMilliseconds = 30_000;
/** How often one request is sent at most. */
const attempts = 5;
/** Connections an API server: enough for a stage of objects at once. */
const sockets = 64;

/**
 * A client of one API server on kept-alive connections (design, decision 12). Answers are parsed as JSON; refusals are
 * thrown as ApiError. A 429 is retried after the time it names, a lost connection at once, both a few times.
 */
export function connect(address: ClusterAddress, options: ConnectOptions): ClusterClient {
  const reach = address.type === "eks" ? eksReach(address, options) : kubeconfigReach(address, options);
  const agent = reach.server.url.startsWith("http://")
    ? new HttpAgent({ keepAlive: true, maxSockets: sockets })
    : new Agent({
        keepAlive: true,
        maxSockets: sockets,
        ...(reach.server.certificateAuthority === undefined ? {} : { ca: reach.server.certificateAuthority }),
        ...(reach.server.clientCertificate === undefined ? {} : { cert: reach.server.clientCertificate }),
        ...(reach.server.clientKey === undefined ? {} : { key: reach.server.clientKey }),
        ...(reach.server.serverName === undefined ? {} : { servername: reach.server.serverName }),
      });
  return clientOf({ ...reach, agent, options }, undefined);
}

type Reach = { server: Server; authorization: () => Promise<string | undefined> };
type Connection = Reach & { agent: HttpAgent | Agent; options: ConnectOptions };

function kubeconfigReach(address: Extract<ClusterAddress, { type: "kubeconfig" }>, options: ConnectOptions): Reach {
  const server = parseKubeconfig(address.kubeconfig, {
    ...(address.context === undefined ? {} : { context: address.context }),
    ...(options.trusted === undefined ? {} : { trusted: options.trusted }),
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

function eksReach(address: Extract<ClusterAddress, { type: "eks" }>, options: ConnectOptions): Reach {
  const { credentials } = options;
  if (credentials === undefined) throw new Error(`the EKS cluster '${address.name}' needs AWS credentials`);
  const server = {
    url: address.endpoint.replace(/\/+$/, ""),
    certificateAuthority: Buffer.from(address.certificateAuthority, "base64").toString("utf8"),
  };
  let token: { value: string; until: number } | undefined;
  const authorization = async () => {
    const now = Date.now();
    if (token === undefined || token.until < now) {
      token = {
        value: await eksToken(address.name, address.region, await credentials(), new Date(now)),
        until: now + 10 * 60_000,
      };
    }
    return `Bearer ${token.value}`;
  };
  return { server, authorization };
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
      if (answer.status !== 429 || attempt === attempts) throw parseApiError(answer.status, answer.body, request);
      await sleep(
        Math.min(answer.retryAfter, 5) * 1000,
        undefined,
        request.signal === undefined ? {} : { signal: request.signal },
      );
    } catch (error) {
      if (attempt === attempts || !mayRepeat(error, request)) throw error;
      await sleep(20 * attempt);
    }
  }
}

/**
 * A connection that failed before anything was stored, or under a request that may be stored twice. A kept-alive connection
 * that the server closed meanwhile counts as the former, as in net/http: the server ends idle ones.
 */
function mayRepeat(error: unknown, { method }: ApiRequest): boolean {
  if (!(error instanceof Error) || !("code" in error)) return false;
  if (error.code === "ECONNREFUSED") return true;
  const lost = error.code === "ECONNRESET" || error.code === "EPIPE";
  return lost && (method !== "POST" || ("reusedSocket" in error && error.reusedSocket === true));
}

type Answer = { status: number; body: string; retryAfter: number };

async function exchange(
  connection: Connection,
  user: string | undefined,
  request: ApiRequest,
  body: string | undefined,
): Promise<Answer> {
  const { server, agent, options } = connection;
  const authorization = await connection.authorization();
  const url = new URL(server.url + request.path + queryOf(request.query));
  options.onRequest?.(request.method, url.pathname + url.search);
  const send = url.protocol === "http:" ? httpRequest : httpsRequest;
  return new Promise((resolve, reject) => {
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
          ...(authorization === undefined ? {} : { authorization }),
          ...(user === undefined ? {} : { "impersonate-user": user }),
          ...(body === undefined
            ? {}
            : { "content-type": request.contentType ?? "application/json", "content-length": Buffer.byteLength(body) }),
        },
      },
      (incoming) => read(incoming).then(resolve, reject),
    );
    outgoing.on("timeout", () =>
      outgoing.destroy(
        new Error(
          `the API server did not answer ${request.method} ${request.path} within ${requestMilliseconds / 1000} s`,
        ),
      ),
    );
    outgoing.on("error", (error) => reject(Object.assign(error, { reusedSocket: outgoing.reusedSocket })));
    outgoing.end(body);
  });
}

async function read(incoming: IncomingMessage): Promise<Answer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of incoming) {
    size += chunk.length;
    if (size > answerLimit) throw new Error(`the API server's answer is larger than ${answerLimit} bytes`);
    chunks.push(chunk);
  }
  const retryAfter = Number(incoming.headers["retry-after"] ?? 1);
  return {
    status: incoming.statusCode ?? 0,
    body: Buffer.concat(chunks).toString("utf8"),
    retryAfter: Number.isFinite(retryAfter) ? retryAfter : 1,
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
