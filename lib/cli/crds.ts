import { defineCommand } from "citty";
import { customResourceDefinition } from "../api/install/crd.ts";
import { definitions } from "../api/schema/kinds.ts";
import { formatYamlDocuments } from "../text/yaml.ts";

/** `sluice crds`: prints what `sluice install` would apply of the API, for a repository or a look. */
export const crds = defineCommand({
  meta: { name: "crds", description: "Print the CustomResourceDefinitions as YAML" },
  run: () => {
    // Who reads only the beginning (`| head`) closes the pipe, which is no error.
    process.stdout.on("error", (error) => process.exit("code" in error && error.code === "EPIPE" ? 0 : 1));
    process.stdout.write(formatYamlDocuments(definitions.map(customResourceDefinition)));
  },
});
