import type { ReceiverType } from "./receiver-type.ts";
import { verifySignature } from "./signature.ts";

/** RT-002: the sender signs the body. */
export const genericHmac: ReceiverType = {
  tokenProves: true,
  headers: ["x-signature"],
  verify: ({ headers, body }, token) => verifySignature(headers["x-signature"], body, token),
};
