import type { ReceiverType } from "./receiver-type.ts";

/** RT-001: whoever knows the path may call. */
export const generic: ReceiverType = {
  tokenProves: false,
  headers: [],
  verify: () => undefined,
};
