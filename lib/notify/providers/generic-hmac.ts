import { createHmac } from "node:crypto";
import { generic } from "./generic.ts";
import { ProviderInvalid, type ProviderType } from "./provider-type.ts";

/** PV-002: as generic, and signed over the exact bytes of the body, so that a Receiver `generic-hmac` takes it. */
export const genericHmac: ProviderType = (settings, event) => {
  const { token } = settings;
  const request = generic(settings, event);
  if (token === undefined || token.length === 0) throw new ProviderInvalid("HMAC key is empty");
  const signature = createHmac("sha256", token).update(request.body).digest("hex");
  return { ...request, headers: { ...request.headers, "x-signature": `sha256=${signature}` } };
};
