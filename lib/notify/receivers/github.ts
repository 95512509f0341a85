import { HookRefused, type HookRequest, type ReceiverType } from "./receiver-type.ts";
import { verifySignature } from "./signature.ts";

/** RT-003: GitHub, and those who sign like it (Gitea, Forgejo). The signature covers the raw body, also of a form. */
export const github: ReceiverType = {
  tokenProves: true,
  headers: ["content-type", "x-hub-signature-256", "x-hub-signature", "x-github-event"],
  verify: ({ headers, body }, token) => {
    const mediaType = (headers["content-type"] ?? "").split(";", 1)[0]?.trim().toLowerCase();
    if (mediaType !== "application/json" && mediaType !== "application/x-www-form-urlencoded")
      throw new HookRefused("the body is neither application/json nor application/x-www-form-urlencoded");
    verifySignature(headers["x-hub-signature-256"] || headers["x-hub-signature"], body, token);
  },
  event: ({ headers }) => headers["x-github-event"] ?? "",
  pushed: (request) => (request.headers["x-github-event"] === "push" ? pushOf(payloadOf(request)) : undefined),
};

/** The JSON of a request, which a form has under the name `payload`. */
function payloadOf({ headers, body }: HookRequest): string {
  const text = Buffer.from(body).toString("utf8");
  const isForm = (headers["content-type"] ?? "").startsWith("application/x-www-form-urlencoded");
  return isForm ? (new URLSearchParams(text).get("payload") ?? "") : text;
}

/** GitHub's `push` event: `ref`, and `after`, which is all zeros where the reference was deleted. */
function pushOf(text: string): ReturnType<NonNullable<ReceiverType["pushed"]>> {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== "object" || value === null || !("ref" in value) || !("after" in value)) return undefined;
    const { ref: reference, after: commit } = value;
    if (typeof reference !== "string" || typeof commit !== "string") return undefined;
    const isCommit = /^[0-9a-f]{40}$/.test(commit) && !/^0+$/.test(commit);
    return isCommit && /^refs\/\S{1,500}$/.test(reference) ? { reference, commit } : undefined;
  } catch {
    return undefined;
  }
}
