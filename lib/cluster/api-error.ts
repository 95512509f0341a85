import { isFields } from "../text/fields.ts";

/** The API server's refusal of a request: its HTTP status and what metav1.Status said. The message is the one client-go prints. */
export class ApiError extends Error {
  readonly statusCode: number;
  /** metav1.StatusReason, such as `NotFound`, `Conflict`, `Invalid`; empty where the answer names none. */
  readonly reason: string;
  /** The types of metav1.Status `details.causes`, such as `FieldManagerConflict`. */
  readonly causes: readonly string[];

  constructor(statusCode: number, reason: string, message: string, causes: readonly string[] = []) {
    super(message);
    this.name = "ApiError";
    this.statusCode = statusCode;
    this.reason = reason;
    this.causes = causes;
  }
}

/** Whether the error says that what was asked for is not there, be it the object, its namespace or its kind. */
export function isNotFound(error: unknown): boolean {
  return error instanceof ApiError && error.statusCode === 404;
}

/**
 * Reads the body of an answer of status 400 and above. A body that is no metav1.Status (a proxy's, or "404 page not found"
 * for a path that no API serves) gets the words that client-go has for its status code.
 */
export function parseApiError(statusCode: number, body: string, request: { method: string; path: string }): ApiError {
  const status = parseStatus(body);
  return status === undefined
    ? genericError(statusCode, body, request)
    : new ApiError(statusCode, status.reason, status.message, status.causes);
}

function parseStatus(body: string): { reason: string; message: string; causes: string[] } | undefined {
  let status: unknown;
  try {
    status = JSON.parse(body);
  } catch {
    return undefined;
  }
  if (!isFields(status) || status.kind !== "Status" || typeof status.message !== "string") return undefined;
  const causes = isFields(status.details) && Array.isArray(status.details.causes) ? status.details.causes : [];
  return {
    reason: typeof status.reason === "string" ? status.reason : "",
    message: status.message,
    causes: causes.flatMap((cause) => (isFields(cause) && typeof cause.reason === "string" ? [cause.reason] : [])),
  };
}

/** Reason and words by status code, as `NewGenericServerResponse` of apimachinery has them. */
const generic: { [statusCode: number]: [reason: string, words: string] } = {
  400: ["BadRequest", "the server rejected our request for an unknown reason"],
  401: ["Unauthorized", "the server has asked for the client to provide credentials"],
  403: ["Forbidden", ""],
  404: ["NotFound", "the server could not find the requested resource"],
  405: ["MethodNotAllowed", "the server does not allow this method on the requested resource"],
  406: ["NotAcceptable", ""],
  409: ["Conflict", "the server reported a conflict"],
  413: ["RequestEntityTooLarge", ""],
  415: ["UnsupportedMediaType", ""],
  422: ["Invalid", "the server rejected our request due to an error in our request"],
  429: ["TooManyRequests", "the server has received too many requests and has asked us to try again later"],
  503: ["ServiceUnavailable", "the server is currently unable to handle the request"],
  504: [
    "Timeout",
    "the server was unable to return a response in the time allotted, but may still be processing the request",
  ],
};

function genericError(statusCode: number, body: string, { method, path }: { method: string; path: string }): ApiError {
  const said = body.trim().split("\n", 1)[0]?.slice(0, 500) ?? "";
  const [reason, words] = generic[statusCode] ?? [
    "InternalError",
    `an error on the server (${JSON.stringify(said)}) has prevented the request from succeeding`,
  ];
  const target = targetOf(path);
  const about = target === "" ? "" : ` (${method.toLowerCase()} ${target})`;
  return new ApiError(statusCode, reason, `${words === "" ? said || "unknown" : words}${about}`);
}

/** `deployments.apps web` for `/apis/apps/v1/namespaces/shop/deployments/web`. */
function targetOf(path: string): string {
  const match = /^\/(?:api\/[^/]+|apis\/([^/]+)\/[^/]+)(?:\/namespaces\/[^/]+(?=\/))?\/([^/]+)(?:\/([^/]+))?/.exec(
    path,
  );
  if (match === null) return "";
  const [, group, resource, name] = match;
  const qualified = group === undefined ? `${resource}` : `${resource}.${group}`;
  return name === undefined ? qualified : `${qualified} ${decodeURIComponent(name)}`;
}
