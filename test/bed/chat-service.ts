import { once } from "node:events";
import { createServer as createHttpServer, type IncomingHttpHeaders, type RequestListener } from "node:http";
import { createServer as createHttpsServer, type ServerOptions } from "node:https";

/** A request as the service received it. */
export type Posted = { method: string; path: string; headers: IncomingHttpHeaders; body: string };

/** A service that is told of things, as Slack is: it keeps what it was sent, and answers 200 unless `answers` says otherwise. */
export type ChatService = {
  url: string;
  posted: Posted[];
  answers: { status: number; body?: string; headers?: Record<string, string> }[];
  close(): void;
};

/** Starts a service on the loopback interface: over HTTP, or over HTTPS with what it is given. */
export async function startChatService(secure?: ServerOptions): Promise<ChatService> {
  const posted: Posted[] = [];
  const answers: ChatService["answers"] = [];
  const listen: RequestListener = (request, response) => {
    let body = "";
    request.setEncoding("utf8").on("data", (chunk: string) => {
      body += chunk;
    });
    request.once("end", () => {
      posted.push({ method: request.method ?? "", path: request.url ?? "", headers: request.headers, body });
      const { status, body: answer = "", headers = {} } = answers.shift() ?? { status: 200 };
      response.writeHead(status, headers).end(answer);
    });
  };
  const server = secure === undefined ? createHttpServer(listen) : createHttpsServer(secure, listen);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the service has no port");
  return {
    url: `${secure === undefined ? "http" : "https"}://127.0.0.1:${address.port}`,
    posted,
    answers,
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}
