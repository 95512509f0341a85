import type { ArtifactGenerator } from "../../api/artifact-generator.ts";
import type { FailureReason } from "../../api/reason.ts";
import { subdomainProblems } from "./kubernetes-names.ts";

/** What is wrong with the spec, such that only a change of it helps (AG-003, AG-004); undefined where nothing is. */
export function specProblem(
  { metadata, spec }: ArtifactGenerator,
  { noCrossNamespaceRefs }: { noCrossNamespaceRefs: boolean },
): { reason: FailureReason; message: string } | undefined {
  const invalid = (message: string) => ({ reason: "ValidationFailed", message }) as const;
  const aliases = new Set<string>();
  for (const { alias, kind, name, namespace = "" } of spec.sources) {
    if (aliases.has(alias)) return invalid(`duplicate source alias '${alias}' found`);
    aliases.add(alias);
    if (noCrossNamespaceRefs && namespace !== "" && namespace !== metadata.namespace) {
      const message = `cross-namespace reference to source ${kind}/${namespace}/${name} is not allowed`;
      return { reason: "AccessDenied", message };
    }
  }
  const names = new Set<string>();
  for (const { name, revision = "" } of spec.artifacts) {
    if (names.has(name)) return invalid(`duplicate artifact name '${name}' found`);
    names.add(name);
    const problems = (spec.pathPattern ?? "") === "" ? subdomainProblems(name) : [];
    if (problems.length > 0)
      return invalid(
        `artifact name ${JSON.stringify(name)} is not a valid Kubernetes object name: ${problems.join("; ")}`,
      );
    const alias = revision.replace(/^@/, "");
    if (revision !== "" && !aliases.has(alias))
      return invalid(`artifact ${name} revision source alias '${alias}' not found`);
  }
  return undefined;
}
