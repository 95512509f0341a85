import { spawn } from "node:child_process";
import type { IncomingMessage, ServerResponse } from "node:http";
import { pipeline } from "node:stream/promises";

const headerLimit = 16_384;

/**
 * Answers one request by `git http-backend`, which speaks CGI (RFC 3875) and serves every repository below `directory`.
 * Bodies are streamed both ways; a compressed one is left to git. Answers 500 where git ends before it has answered.
 */
export function gitHttpBackend(directory: string, request: IncomingMessage, response: ServerResponse): void {
  const child = spawn("git", ["http-backend"], {
    stdio: ["pipe", "pipe", "ignore"],
    env: environment(directory, request),
  });
  response.once("close", () => child.kill("SIGKILL"));
  child.once("error", () => fail(response));
  // git may answer without reading the whole body, and a client may leave: neither is a fault of this server.
  pipeline(request, child.stdin).catch(() => undefined);
  let head = Buffer.alloc(0);
  const readHead = (chunk: Buffer): void => {
    head = Buffer.concat([head, chunk]);
    const end = head.indexOf("\r\n\r\n");
    if (end < 0 && head.length < headerLimit) return;
    child.stdout.off("data", readHead);
    child.stdout.pause();
    writeHead(response, head.subarray(0, Math.max(end, 0)).toString("latin1"));
    response.write(head.subarray(end + 4));
    pipeline(child.stdout, response).catch(() => undefined);
  };
  child.stdout.on("data", readHead);
  child.stdout.once("end", () => fail(response));
}

function environment(directory: string, request: IncomingMessage): Record<string, string> {
  const url = new URL(request.url ?? "/", "http://localhost");
  const header = (name: string): string => request.headers[name]?.toString() ?? "";
  return {
    PATH: process.env.PATH ?? "",
    GIT_PROJECT_ROOT: directory,
    GIT_HTTP_EXPORT_ALL: "1",
    // Only the repository's own configuration counts, whatever this machine's user has set.
    GIT_CONFIG_NOSYSTEM: "1",
    GIT_CONFIG_GLOBAL: "/dev/null",
    GIT_PROTOCOL: header("git-protocol"),
    REQUEST_METHOD: request.method ?? "GET",
    PATH_INFO: decodeURIComponent(url.pathname),
    QUERY_STRING: url.search.slice(1),
    CONTENT_TYPE: header("content-type"),
    CONTENT_LENGTH: header("content-length"),
    HTTP_CONTENT_ENCODING: header("content-encoding"),
    REMOTE_ADDR: request.socket.remoteAddress ?? "",
    REMOTE_USER: "git",
  };
}

function writeHead(response: ServerResponse, head: string): void {
  let status = 200;
  for (const line of head.split("\r\n")) {
    const colon = line.indexOf(":");
    const [name, value] = [line.slice(0, colon), line.slice(colon + 1).trim()];
    if (name.toLowerCase() === "status") status = Number.parseInt(value, 10);
    else if (colon > 0) response.setHeader(name, value);
  }
  response.writeHead(status);
}

function fail(response: ServerResponse): void {
  if (!response.headersSent) response.writeHead(500).end();
}
