import type { ObjectMeta } from "./object.ts";
import type { alertSpec } from "./schema/alert.ts";
import type { TypeOf } from "./schema/field.ts";

/** `Alert.spec`. */
export type AlertSpec = TypeOf<typeof alertSpec>;

/** Which events go to which Provider (notifications.md, section 3). It has no status. */
export type Alert = { apiVersion: string; kind: "Alert"; metadata: ObjectMeta; spec: AlertSpec };
