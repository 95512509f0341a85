import { defineCommand } from "citty";
import { customResourceDefinition } from "../api/install/crd.ts";
import { definitions } from "../api/schema/kinds.ts";
import { formatYamlDocuments } from "../text/yaml.ts";

/** `sluice crds`: prints what `sluice install` would apply of the API, for a repository or a look. */
export const crds = defineCommand({
  meta: { name: "crds", description: "Print the CustomResourceDefinitions as YAML" },
  run: () => {
    process.stdout.write(formatYamlDocuments(definitions.map(customResourceDefinition)));
  },
});
