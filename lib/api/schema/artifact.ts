import { integer, object, optional, text, textMap, time } from "./field.ts";

/** What a source offers to its users (ART-001). */
export const artifact = object("The content of a source at one revision.", {
  digest: text("Digest of the file, `<algorithm>:<checksum>`.", {
    pattern: "^[a-z0-9]+(?:[.+_-][a-z0-9]+)*:[a-zA-Z0-9=_-]+$",
  }),
  lastUpdateTime: time("When the file was stored."),
  path: text("Path of the file below the root of the artifact storage."),
  revision: text("What the content is called at its origin: a Git reference and commit, a chart version."),
  url: text("Address at which the file is served."),
  size: optional(integer("Size of the file in bytes.")),
  metadata: optional(textMap("What the origin says of the content, such as OCI annotations.")),
});
