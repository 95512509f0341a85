import { once } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer, type Server } from "node:https";
import { finished } from "node:stream/promises";
import { getRequestListener } from "@hono/node-server";

/** A listening HTTPS server. `url` has the scheme, the address it listens on and the port, no trailing slash. */
export type Listener = { url: string; close(): Promise<void> };

/** As a Lambda function URL bounds it: 6 MB of body; Node's own default for headers. */
const bodyLimit = 6 * 1024 * 1024;
const headerLimit = 16 * 1024;

/** Milliseconds: to greet, to send the headers, to send everything, between two requests of one connection, between two looks at these, to take an answer. */
const times = { handshake: 10_000, headers: 10_000, request: 30_000, keepAlive: 75_000, look: 5_000, linger: 1_000 };

/**
 * Listens for HTTPS requests. The whole body is read before `handle` is called: one beyond 6 MiB is answered 413. A `handle`
 * that throws is answered 500 without a word of why, which goes to `onError`. Port 0 is any free one.
 */
export async function startListener(options: {
  address: string;
  port: number;
  certificate: { certificate: string; key: string };
  handle: (request: Request) => Promise<Response>;
  onError?: (error: unknown) => void;
}): Promise<Listener> {
  const respond = getRequestListener((request) => options.handle(request), {
    overrideGlobalObjects: false,
    errorHandler: (error) => {
      options.onError?.(error);
      return new Response(null, { status: 500 });
    },
  });
  const server = createServer(
    {
      cert: options.certificate.certificate,
      key: options.certificate.key,
      maxHeaderSize: headerLimit,
      handshakeTimeout: times.handshake,
      headersTimeout: times.headers,
      requestTimeout: times.request,
      keepAliveTimeout: times.keepAlive,
      connectionsCheckingInterval: times.look,
      noDelay: true,
    },
    (incoming, outgoing) => {
      receive(incoming, outgoing, respond).catch((error: unknown) => {
        options.onError?.(error);
        outgoing.destroy();
      });
    },
  );
  server.maxConnections = 1000;
  server.listen(options.port, options.address);
  await once(server, "listening");
  const bound = server.address();
  if (bound === null || typeof bound === "string") throw new Error("the listener has no port");
  const host = bound.family === "IPv6" ? `[${bound.address}]` : bound.address;
  let closed: Promise<unknown> | undefined;
  return {
    url: `https://${host}:${bound.port}`,
    close: async () => {
      closed ??= endOf(server);
      await closed;
    },
  };
}

/** What is being answered has two seconds to end. */
async function endOf(server: Server): Promise<void> {
  const closed = once(server, "close");
  server.close();
  server.closeIdleConnections();
  const impatience = setTimeout(() => server.closeAllConnections(), 2_000);
  await closed;
  clearTimeout(impatience);
}

async function receive(
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  respond: (incoming: IncomingMessage, outgoing: ServerResponse) => Promise<void>,
): Promise<void> {
  if (incoming.method !== "GET" && incoming.method !== "HEAD") {
    const body = await readBody(incoming);
    if (body === undefined) return refuse(incoming, outgoing);
    // Where a body was read already, the adapter takes it from here.
    Object.assign(incoming, { rawBody: body });
  }
  await respond(incoming, outgoing);
}

/**
 * Answers a body that is too large. What is sent of it until the answer is read is thrown away, for a second: a connection that is closed
 * before takes the answer with it (RFC 9112, section 9.6).
 */
async function refuse(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
  outgoing.writeHead(413, { connection: "close", "content-length": "0" });
  outgoing.flushHeaders();
  incoming.resume();
  await finished(incoming, { signal: AbortSignal.timeout(times.linger) }).catch(() => undefined);
  outgoing.end();
}

/** The body, or undefined for one that is too large, of which no more is read. */
async function readBody(incoming: IncomingMessage): Promise<Buffer | undefined> {
  if (Number(incoming.headers["content-length"] ?? 0) > bodyLimit) return undefined;
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of incoming.iterator({ destroyOnReturn: false })) {
    size += chunk.length;
    if (size > bodyLimit) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, size);
}
