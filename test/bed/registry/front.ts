import { once } from "node:events";
import { createServer, request as httpRequest, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";

/** A request to a registry: what was asked, with the method, below `/v2/`. */
export type RegistryRequest = { told: string; headers: IncomingMessage["headers"]; status: number };

/** Stands before a registry that speaks plain HTTP: counts what is asked, and misbehaves where a test says so. */
export type RegistryFront = {
  /** `http(s)://127.0.0.1:<port>` */
  url: string;
  /** Host and port. */
  address: string;
  /** What was answered, in order; a test may empty it. */
  requests: RegistryRequest[];
  /** Called first; answers the request itself and returns true, or returns false. */
  intercept: (request: IncomingMessage, response: ServerResponse) => boolean;
  stop(): Promise<void>;
};

/** Starts one before a registry at `behind`, or without any, for a test that answers everything. `tls` is PEM. */
export async function startRegistryFront(
  behind: string | undefined,
  { tls }: { tls?: { certificate: string; key: string } } = {},
): Promise<RegistryFront> {
  const handle = (request: IncomingMessage, response: ServerResponse) => {
    const told = `${request.method} ${(request.url ?? "").replace(/^\/v2\//, "")}`;
    const seen: RegistryRequest = { told, headers: request.headers, status: 0 };
    front.requests.push(seen);
    response.once("close", () => {
      seen.status = response.statusCode;
    });
    if (front.intercept(request, response)) return;
    if (behind === undefined) return void response.writeHead(404).end();
    const { host: _, ...headers } = request.headers;
    const passing = httpRequest(`${behind}${request.url}`, { method: request.method, headers, agent: false });
    passing.once("response", (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    });
    passing.once("error", () => response.destroy());
    request.pipe(passing);
  };
  const server =
    tls === undefined ? createServer(handle) : createTlsServer({ cert: tls.certificate, key: tls.key }, handle);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const place = server.address();
  const address = `127.0.0.1:${typeof place === "object" ? place?.port : ""}`;
  const front: RegistryFront = {
    url: `${tls === undefined ? "http" : "https"}://${address}`,
    address,
    requests: [],
    intercept: () => false,
    stop: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
  return front;
}
