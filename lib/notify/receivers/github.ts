import { HookRefused, type ReceiverType } from "./receiver-type.ts";
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
};
