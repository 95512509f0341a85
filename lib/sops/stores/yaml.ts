import type { Documents } from "../tree.ts";
import { emitYaml } from "./emit-yaml.ts";
import { parseYaml } from "./parse-yaml.ts";
import type { Store } from "./store.ts";

/** YAML as go-yaml v3 reads and writes it through SOPS: one document or several, each a mapping, indented by four. Remarks in lists are lost. */
export const yamlStore: Store = {
  parse: (content) => parseYaml(new TextDecoder().decode(content)),
  emit: (documents: Documents) => Buffer.from(emitYaml(documents)),
  metadata: "nested",
};
