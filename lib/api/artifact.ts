import type { artifact } from "./schema/artifact.ts";
import type { TypeOf } from "./schema/field.ts";

/** What a source offers to its users (`status.artifact`, ART-001). `size` is in bytes. */
export type Artifact = TypeOf<typeof artifact>;
