import { request as httpRequest, type IncomingMessage } from "node:http";
import { request as httpsRequest } from "node:https";
import { AskError, requestError } from "./ask-error.ts";
import { type Outbound, outboundAgent } from "./outbound.ts";

/** One request. `url` is http or https; user information in it is not used. What headers and body hold may be secret. */
export type AskedRequest = {
  method: string;
  url: URL;
  /** Path and query as they are sent, where a URL would resolve what is in them: `/bucket/../key` is a key of an object store. */
  path?: string;
  headers?: Record<string, string>;
  body?: string | Uint8Array;
  /** Ends asking and the reading of the answer, however slowly a server goes on. */
  signal: AbortSignal;
  /** How long a server may be silent, and how long the head of its answer may take, in milliseconds: 30 s by default. */
  silence?: number;
};

const attempts = 3;

/**
 * Sends one request; follows no redirect (an address that a server chooses would be given the credentials), and repeats only on an
 * idle connection that was closed. Resolves with the answer's head; the body is a stream that the caller bounds and ends
 * (`readBody`, or `destroy`). Rejects with AskError, and with the signal's reason where it is aborted.
 */
export async function ask(request: AskedRequest, outbound: Outbound = {}): Promise<IncomingMessage> {
  const { url, method, signal } = request;
  for (let attempt = 1; ; attempt++) {
    signal.throwIfAborted();
    const sent = send(request, outbound);
    try {
      return await sent.answer;
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      const code = error instanceof Error && "code" in error ? error.code : "";
      const wasIdle = sent.reusedSocket() && (code === "ECONNRESET" || code === "EPIPE");
      if (!wasIdle || attempt === attempts) throw requestError(error, method, url);
    }
  }
}

function send(
  { method, url, path, headers = {}, body, signal, silence = 30_000 }: AskedRequest,
  outbound: Outbound,
): { answer: Promise<IncomingMessage>; reusedSocket: () => boolean } {
  if (url.protocol !== "https:" && url.protocol !== "http:")
    throw requestError(new Error(`unsupported protocol scheme "${url.protocol.slice(0, -1)}"`), method, url);
  const target = new URL(url);
  target.username = "";
  target.password = "";
  const given = new Set(Object.keys(headers).map((name) => name.toLowerCase()));
  let agent: ReturnType<typeof outboundAgent>;
  try {
    agent = outboundAgent(outbound, url.protocol);
  } catch (error) {
    throw requestError(error, method, url);
  }
  const outgoing = (url.protocol === "https:" ? httpsRequest : httpRequest)(target, {
    method,
    ...(path === undefined ? {} : { path }),
    agent,
    timeout: silence,
    headers: {
      ...(given.has("user-agent") ? {} : { "user-agent": "sluice" }),
      ...(body === undefined || given.has("content-length")
        ? {}
        : { "content-length": String(Buffer.byteLength(body)) }),
      ...headers,
    },
  });
  const silent = () => {
    const words = `the server was silent for ${silence / 1000} s`;
    return new AskError("silent", requestError(new Error(words), method, url).message, words);
  };
  const answer = new Promise<IncomingMessage>((resolve, reject) => {
    let head: NodeJS.Timeout | undefined;
    const end = () => outgoing.destroy(new Error("aborted"));
    signal.addEventListener("abort", end, { once: true });
    // The head as a whole has one such time: a server that drips it is as one that is silent.
    const wait = () => {
      clearTimeout(head);
      head = setTimeout(() => outgoing.destroy(silent()), silence);
    };
    // It begins with the connection: a request that waits for its turn is not the server's fault.
    outgoing.once("socket", wait);
    outgoing.on("drain", wait);
    outgoing.once("finish", wait);
    outgoing.once("timeout", () => outgoing.destroy(silent()));
    outgoing.on("error", reject);
    outgoing.once("close", () => clearTimeout(head));
    outgoing.once("response", (incoming) => {
      clearTimeout(head);
      outgoing.removeAllListeners("timeout").once("timeout", () => incoming.destroy(silent()));
      bind(incoming, signal, method, url);
      resolve(incoming);
    });
    outgoing.once("close", () => signal.removeEventListener("abort", end));
    outgoing.end(body);
  });
  return { answer, reusedSocket: () => outgoing.reusedSocket };
}

/** The signal ends the reading too, and tells its own reason to who reads. */
function bind(incoming: IncomingMessage, signal: AbortSignal, method: string, url: URL): void {
  const end = () =>
    incoming.destroy(signal.reason instanceof Error ? signal.reason : requestError(new Error("aborted"), method, url));
  if (signal.aborted) end();
  signal.addEventListener("abort", end, { once: true });
  incoming.once("close", () => signal.removeEventListener("abort", end));
  // Who never reads the body must not end the process by not listening.
  incoming.on("error", () => undefined);
}

/** An answer goes on beyond what is read of it. */
export class AnswerTooLarge extends Error {
  constructor(limit: number) {
    super(`the server's answer is larger than ${limit} bytes`);
    this.name = "AnswerTooLarge";
  }
}

/** Reads a body of at most `limit` bytes. Throws AnswerTooLarge beyond, and AskError where the connection is lost in its middle. */
export async function readBody(answer: IncomingMessage, limit: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  const size = await readParts(answer, limit, (chunk) => chunks.push(chunk));
  return Buffer.concat(chunks, size);
}

/** As `readBody`, part by part. Resolves with how many bytes there were; what `take` throws ends the reading, and is thrown. */
export async function readParts(answer: IncomingMessage, limit: number, take: (part: Buffer) => void): Promise<number> {
  let size = 0;
  try {
    if (Number(answer.headers["content-length"] ?? 0) > limit) throw new AnswerTooLarge(limit);
    for await (const chunk of answer) {
      size += chunk.length;
      if (size > limit) throw new AnswerTooLarge(limit);
      take(chunk);
    }
  } catch (error) {
    answer.destroy();
    const code = error instanceof Error && "code" in error ? error.code : "";
    if (code === "ECONNRESET")
      throw new AskError(
        "unreachable",
        "unexpected EOF: the connection was lost in the middle of the server's answer",
        "unexpected EOF",
      );
    throw error;
  }
  return size;
}
