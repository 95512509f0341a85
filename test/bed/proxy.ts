import { once } from "node:events";
import {
  createServer,
  request as httpRequest,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from "node:http";
import { createServer as createTlsServer } from "node:https";
import { connect, createServer as createTcpServer, type Socket } from "node:net";
import type { Duplex } from "node:stream";

/** A proxy on the loopback interface. */
export type TestProxy = {
  /** `http(s)://127.0.0.1:<port>` or `socks5://127.0.0.1:<port>`. */
  address: string;
  port: number;
  /** What was asked for, in order: `CONNECT host:port`, `GET http://host/path` or `SOCKS5 host:port`; also what was refused. */
  asked: string[];
  /** How often a connection to the proxy itself was opened. */
  connections: number;
  /** Ends every connection. */
  stop(): Promise<void>;
};

/**
 * `credentials` are then asked of everyone. `hosts` says where a name leads that no name service has, by an address and perhaps
 * another port; `tls` (PEM) makes an HTTP proxy an HTTPS one.
 */
export type TestProxyOptions = {
  credentials?: { username: string; password: string };
  hosts?: Record<string, string>;
  tls?: { certificate: string; key: string };
};

/** Starts an HTTP or HTTPS proxy: CONNECT, and requests in absolute form. */
export async function startHttpProxy(options: TestProxyOptions = {}): Promise<TestProxy> {
  const { credentials, hosts = {}, tls } = options;
  const forward = (request: IncomingMessage, response: ServerResponse) => {
    proxy.asked.push(`${request.method} ${request.url}`);
    if (!isKnown(request, credentials)) return response.writeHead(407).end();
    const url = URL.parse(request.url ?? "");
    if (url === null) return response.writeHead(400).end();
    const { "proxy-authorization": _, ...headers } = request.headers;
    const port = url.port === "" ? 80 : Number(url.port);
    const path = `${url.pathname}${url.search}`;
    const asking = httpRequest({
      method: request.method,
      ...placeOf(hosts, url.hostname, port),
      path,
      headers,
    });
    asking.on("response", (answer) => answer.pipe(response.writeHead(answer.statusCode ?? 502, answer.headers)));
    asking.on("error", () => response.writeHead(502).end());
    return request.pipe(asking);
  };
  const server = tls ? createTlsServer({ cert: tls.certificate, key: tls.key }, forward) : createServer(forward);
  server.on("connect", (request: IncomingMessage, socket: Duplex) => {
    proxy.asked.push(`CONNECT ${request.url}`);
    if (!isKnown(request, credentials)) return socket.end("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n");
    const [, host = "", port = ""] = /^\[?([^\]]*?)\]?:(\d+)$/.exec(request.url ?? "") ?? [];
    const target = connect(placeOf(hosts, host, Number(port)));
    // What the server says first comes in one piece with the proxy's own answer.
    target.once("connect", () => setTimeout(() => opened(socket, target), 20));
    target.once("error", () => socket.end("HTTP/1.1 502 Bad Gateway\r\n\r\n"));
    return socket.on("error", () => target.destroy());
  });
  const proxy = await listening(server, tls ? "https" : "http");
  return proxy;
}

function opened(socket: Duplex, target: Socket): void {
  const first = target.read();
  const head = Buffer.from("HTTP/1.1 200 Connection established\r\n\r\n");
  socket.write(Buffer.isBuffer(first) ? Buffer.concat([head, first]) : head);
  target.pipe(socket).pipe(target);
}

/** Starts a SOCKS5 proxy (RFC 1928, and RFC 1929 with credentials) that opens connections by names and addresses. */
export async function startSocksProxy({ credentials, hosts = {} }: TestProxyOptions = {}): Promise<TestProxy> {
  const server = createTcpServer((socket) => {
    socket.on("error", () => undefined);
    void serve(socket, credentials, (host, port) => {
      proxy.asked.push(`SOCKS5 ${host}:${port}`);
      return connect(placeOf(hosts, host, port));
    }).catch(() => socket.destroy());
  });
  const proxy = await listening(server, "socks5");
  return proxy;
}

async function serve(
  socket: Socket,
  credentials: TestProxyOptions["credentials"],
  open: (host: string, port: number) => Socket,
): Promise<void> {
  const read = reader(socket);
  const [, methods = 0] = await read(2);
  const offered = await read(methods);
  const wanted = credentials === undefined ? 0 : 2;
  if (!offered.includes(wanted)) return void socket.end(Buffer.of(5, 0xff));
  socket.write(Buffer.of(5, wanted));
  if (credentials !== undefined) {
    const [, userLength = 0] = await read(2);
    const username = (await read(userLength)).toString();
    const password = (await read((await read(1))[0] ?? 0)).toString();
    const isRight = username === credentials.username && password === credentials.password;
    socket.write(Buffer.of(1, isRight ? 0 : 1));
    if (!isRight) return void socket.end();
  }
  const [, , , type] = await read(4);
  const host =
    type === 3
      ? (await read((await read(1))[0] ?? 0)).toString()
      : (await read(type === 1 ? 4 : 16)).join(type === 1 ? "." : ":");
  const port = (await read(2)).readUInt16BE();
  const target = open(host, port);
  target.once("error", () => socket.end(Buffer.of(5, 5, 0, 1, 0, 0, 0, 0, 0, 0)));
  target.once("connect", () => {
    socket.write(Buffer.of(5, 0, 0, 1, 0, 0, 0, 0, 0, 0));
    target.pipe(socket).pipe(target);
  });
  socket.once("close", () => target.destroy());
}

function placeOf(hosts: Record<string, string>, host: string, port: number): { host: string; port: number } {
  const [place = host, other] = hosts[host]?.split(":") ?? [];
  return { host: place, port: other === undefined ? port : Number(other) };
}

/** Reads exactly so many bytes, however they arrive. */
function reader(socket: Socket): (size: number) => Promise<Buffer> {
  return async (size) => {
    for (;;) {
      const bytes: unknown = size === 0 ? Buffer.alloc(0) : socket.read(size);
      if (Buffer.isBuffer(bytes)) return bytes;
      if (socket.readableEnded) throw new Error("the client went away");
      await once(socket, "readable");
    }
  };
}

function isKnown({ headers }: IncomingMessage, credentials: TestProxyOptions["credentials"]): boolean {
  if (credentials === undefined) return true;
  const told = Buffer.from(`${credentials.username}:${credentials.password}`).toString("base64");
  return headers["proxy-authorization"] === `Basic ${told}`;
}

type Listener = Server | ReturnType<typeof createTcpServer | typeof createTlsServer>;

async function listening(server: Listener, scheme: string): Promise<TestProxy> {
  const sockets = new Set<Socket>();
  server.on("connection", (socket: Socket) => {
    proxy.connections++;
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  const port = address === null || typeof address === "string" ? 0 : address.port;
  const proxy: TestProxy = {
    address: `${scheme}://127.0.0.1:${port}`,
    port,
    asked: [],
    connections: 0,
    stop: async () => {
      const closed = new Promise((resolve) => server.close(resolve));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
  return proxy;
}
