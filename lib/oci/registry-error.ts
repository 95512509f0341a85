import type { IncomingMessage } from "node:http";
import { readBody } from "../platform/ask.ts";

/** A request, by its method and its address without a query, and what the registry says it refuses it for. */
export type Refused = {
  method: string;
  address: string;
  errors: readonly { code: string; words: string; detail: string }[];
};

/** What a registry refused or did not answer. The message is for the user, holds no credentials, and no query of a URL. */
export class RegistryError extends Error {
  /** HTTP status of the answer; 0 where none came. */
  readonly status: number;
  /** The registry's own words for it, such as `MANIFEST_UNKNOWN`. */
  readonly codes: readonly string[];
  /** What was asked, and what the registry said to it, where it answered. */
  readonly refused: Refused | undefined;
  /** How long the registry wants to be left alone, in milliseconds (`Retry-After`); 0 where it does not say. */
  readonly retryAfter: number;

  constructor(
    status: number,
    codes: readonly string[],
    message: string,
    options: ErrorOptions & { retryAfter?: number; refused?: Refused } = {},
  ) {
    super(message, options);
    this.name = "RegistryError";
    this.status = status;
    this.codes = codes;
    this.retryAfter = options.retryAfter ?? 0;
    this.refused = options.refused;
  }
}

/** Whether an error says that what was asked for is not there. */
export function isAbsent(error: unknown): boolean {
  return error instanceof RegistryError && error.status === 404;
}

/** Bytes of an answer that refuses, as in go-containerregistry, and characters of it that are told. */
const errorLimit = 64 * 1024;
const toldLimit = 500;

/** What an answer refuses, in the words of go-containerregistry: the request, and the registry's own words or the status (OCI-023). */
export async function refusal(answer: IncomingMessage, method: string, url: URL): Promise<RegistryError> {
  const status = answer.statusCode ?? 0;
  let text = "";
  try {
    text = (await readBody(answer, errorLimit)).toString("utf8");
  } catch {
    // The status says enough.
  }
  const errors = errorsOf(text);
  const seconds = Number(answer.headers["retry-after"] ?? 0);
  return new RegistryError(
    status,
    errors.map(({ code }) => code),
    `${method} ${url.origin}${url.pathname}: ${wordsOf(errors, `${status} ${statusText(answer)}`.trimEnd(), method, text)}`,
    {
      retryAfter: seconds > 0 ? seconds * 1000 : 0,
      refused: { method, address: `${url.origin}${url.pathname}`, errors: errors.map(toldError) },
    },
  );
}

function toldError({ code, message, detail }: Diagnostic): Refused["errors"][number] {
  return { code, words: message, detail: detail === undefined || detail === null ? "" : printable(goValue(detail)) };
}

/** What a registry refuses, in the words of oras-go, which Helm has; those of the error itself where it did not answer. */
export function orasWords(error: RegistryError): string {
  if (error.refused === undefined) return error.message;
  const { method, address, errors } = error.refused;
  const told = errors.map(({ code, words, detail }) =>
    [code.replaceAll("_", " ").toLowerCase(), words, words === "" ? "" : detail]
      .filter((part) => part !== "")
      .join(": "),
  );
  const reasons = told.length === 0 ? (standardTexts[error.status] ?? "") : told.join("; ");
  return `${method} ${JSON.stringify(address)}: response status code ${error.status}: ${reasons}`;
}

function statusText({ statusCode = 0, statusMessage = "" }: IncomingMessage): string {
  return standardTexts[statusCode] ?? statusMessage.slice(0, 100);
}

/** HTTP/2 has no words of its own, and servers of HTTP/1.1 write what they like. */
const standardTexts: Readonly<Record<number, string>> = {
  400: "Bad Request",
  401: "Unauthorized",
  403: "Forbidden",
  404: "Not Found",
  405: "Method Not Allowed",
  408: "Request Timeout",
  429: "Too Many Requests",
  500: "Internal Server Error",
  502: "Bad Gateway",
  503: "Service Unavailable",
  504: "Gateway Timeout",
};

type Diagnostic = { code: string; message: string; detail: unknown };

function wordsOf(errors: readonly Diagnostic[], status: string, method: string, text: string): string {
  const told = errors.map(({ code, message, detail }) => {
    const more = detail === undefined || detail === null ? "" : `; ${printable(goValue(detail))}`;
    return `${code}: ${message}${more}`;
  });
  if (told.length === 1) return told[0] ?? "";
  if (told.length > 1) return `multiple errors returned: ${told.join("; ")}`;
  const body = printable(text);
  if (body !== "") return `unexpected status code ${status}: ${body}`;
  const hint = method === "HEAD" ? " (HEAD responses have no body, use GET for details)" : "";
  return `unexpected status code ${status}${hint}`;
}

function errorsOf(text: string): Diagnostic[] {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== "object" || value === null || !("errors" in value) || !Array.isArray(value.errors)) return [];
    return value.errors.slice(0, 10).flatMap((entry: unknown) => {
      if (typeof entry !== "object" || entry === null || !("code" in entry)) return [];
      const message = "message" in entry && typeof entry.message === "string" ? entry.message : "";
      const detail = "detail" in entry ? entry.detail : undefined;
      return [{ code: printable(String(entry.code)), message: printable(message), detail }];
    });
  } catch {
    return [];
  }
}

/** As Go's fmt prints a decoded JSON value, by which users know the details of registries. */
function goValue(value: unknown, depth = 0): string {
  if (depth > 5) return "...";
  if (Array.isArray(value))
    return `[${value
      .slice(0, 20)
      .map((one) => goValue(one, depth + 1))
      .join(" ")}]`;
  if (typeof value !== "object" || value === null) return value === null ? "<nil>" : String(value);
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `map[${entries
    .slice(0, 20)
    .map(([name, one]) => `${name}:${goValue(one, depth + 1)}`)
    .join(" ")}]`;
}

function printable(text: string): string {
  return text
    .replaceAll(/\p{Cc}+/gu, " ")
    .trim()
    .slice(0, toldLimit);
}
