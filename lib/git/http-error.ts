import type { IncomingMessage } from "node:http";
import { requestError } from "../platform/ask-error.ts";
import { bodyOf } from "./answer-body.ts";
import { GitError } from "./git-error.ts";

/** Most of an error page that is read, in bytes. */
const pageLimit = 4096;

/** Says what an answer is that is not Git's; the words of the first three are go-git's (GIT-017, GIT-050). Ends the answer. */
export async function statusError(answer: IncomingMessage, contentType: string): Promise<GitError> {
  const status = answer.statusCode ?? 0;
  const isPlain = contentType === "text/plain";
  const line = isPlain || status === 200 ? await firstLine(answer) : "";
  const reason = isPlain ? line : "";
  answer.destroy();
  const because = reason === "" ? "" : `: ${reason}`;
  // Azure DevOps answers 203 with a page to sign in on (GE-007).
  if (status === 401 || status === 203)
    return new GitError("authentication-required", `authentication required${because}`);
  if (status === 403) return new GitError("authorization-failed", `authorization failed${because}`);
  if (status === 404) return new GitError("not-found", `repository not found${because}`);
  if (status !== 200) return new GitError("refused", `the server answered with HTTP status ${status}${because}`);
  // What a server of files has at this place (gitprotocol-http, "Dumb Clients"; GE-018).
  if (/^[0-9a-f]{40} refs\//.test(line)) {
    const words = "the server offers the files of a repository alone (the dumb HTTP protocol), which is not supported";
    return new GitError("protocol", `${words}; it must speak Git's smart HTTP protocol`);
  }
  const kind = contentType === "" ? "no content type" : `content type ${contentType.slice(0, 100)}`;
  return new GitError(
    "protocol",
    `the server does not speak Git's smart HTTP protocol (${kind}); is the URL that of a repository?`,
  );
}

async function firstLine(answer: IncomingMessage): Promise<string> {
  let text = "";
  try {
    for await (const chunk of bodyOf(answer, 16 * pageLimit)) {
      text += chunk.toString("utf8");
      if (text.length > pageLimit) break;
    }
  } catch {
    // The status alone says enough.
  }
  const line = text.trim().split("\n", 1)[0] ?? "";
  return line
    .replace(/[\p{Cc}\p{Cf}\s]+/gu, " ")
    .trim()
    .slice(0, 200);
}

/** A connection that did not come about, in the words of Go's net/http. The URL is told without query and user information (SEC-012). */
export function connectionError(error: unknown, method: string, url: URL): GitError {
  return new GitError("unreachable", requestError(error, method, url).message, { cause: error });
}
