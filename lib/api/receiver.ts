import type { ObjectMeta } from "./object.ts";
import type { TypeOf } from "./schema/field.ts";
import type { receiverSpec, receiverStatus } from "./schema/receiver.ts";

/** `Receiver.spec`. */
export type ReceiverSpec = TypeOf<typeof receiverSpec>;

/** `Receiver.status`. */
export type ReceiverStatus = TypeOf<typeof receiverStatus>;

/** A path that the outside calls to have objects reconciled (notifications.md, section 8). */
export type Receiver = {
  apiVersion: string;
  kind: "Receiver";
  metadata: ObjectMeta;
  spec: ReceiverSpec;
  status?: ReceiverStatus;
};
