import type { ObjectMeta } from "./object.ts";
import type { TypeOf } from "./schema/field.ts";
import type { providerSpec } from "./schema/provider.ts";

/** `Provider.spec`. */
export type ProviderSpec = TypeOf<typeof providerSpec>;

/** A service that events are sent to (notifications.md, section 5). It has no status. */
export type Provider = { apiVersion: string; kind: "Provider"; metadata: ObjectMeta; spec: ProviderSpec };
