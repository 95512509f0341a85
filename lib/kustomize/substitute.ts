import { type Budget, substituteVariables } from "../text/envsubst.ts";
import { messageOf } from "../text/error-message.ts";
import { isFields } from "../text/fields.ts";
import { formatGoYaml } from "../text/go-yaml.ts";
import { aliasedSize, parseYamlDocuments, yamlProblem } from "../text/yaml.ts";
import { BuildFailed } from "./build-failed.ts";
import { nameInBuild } from "./name-in-build.ts";
import { isObject, type RenderedDocument } from "./rendered-objects.ts";

/** How variables are put into rendered objects (`spec.postBuild`). */
export type Substitution = {
  /** Values by name, without line feeds (KS-111). */
  variables: ReadonlyMap<string, string>;
  /** Why the variables could not be read: the first object that would take them fails with it (KS-113). */
  failure?: string | undefined;
  /** Whether a variable without value and default fails (KS-114, gate `StrictPostBuildSubstitutions`). */
  strict: boolean;
  /** Whether text is evaluated although there is no variable (KS-115, `substituteStrategy: Always`). */
  always: boolean;
};

const namePattern = "^[_[:alpha:]][_[:alpha:][:digit:]]*$";
const validName = /^[_A-Za-z][_A-Za-z0-9]*$/;
const switchKey = "kustomize.toolkit.fluxcd.io/substitute";

/**
 * Puts variables into the printed text of one document and reads it again, with YAML 1.1 rules (KS-117, KS-118). The very
 * document comes back where nothing is to be done with it: it is labelled or annotated `substitute: disabled` (KS-116), or
 * there is no variable (KS-115). Throws BuildFailed.
 */
export function substituteDocument(
  document: RenderedDocument,
  substitution: Substitution,
  budget: Budget,
): RenderedDocument {
  const { labels, annotations } = document.object.metadata;
  if (labels?.[switchKey] === "disabled" || annotations?.[switchKey] === "disabled") return document;
  const { variables, failure, strict, always } = substitution;
  const fail = (reason: string, cause?: unknown) =>
    new BuildFailed(`post build failed for '${nameInBuild(document.object)}': ${reason}`, { cause });
  if (failure !== undefined) throw fail(failure);
  if (variables.size === 0 && !always) return document;
  for (const name of variables.keys())
    if (!validName.test(name)) throw fail(`envsubst error: '${name}' var name is invalid, must match '${namePattern}'`);
  let text: string;
  try {
    text = substituteVariables(document.text, (name) => variables.get(name) ?? (strict ? undefined : ""), budget);
  } catch (error) {
    throw fail(`envsubst error: variable substitution failed: ${messageOf(error)}`, error);
  }
  if (text === document.text) return document;
  const object = readAgain(text, fail);
  if (isObject(object)) return { object, text };
  // Flux leaves such an object out, and so prunes it.
  throw fail("apiVersion, kind or name is no longer a text");
}

/** Bytes that the aliases which a variable brings may make: more than the largest object that a cluster stores. */
const copiedLimit = 2 * 1024 * 1024;

function readAgain(text: string, fail: (reason: string, cause?: unknown) => BuildFailed): unknown {
  const copied = aliasedSize(text);
  if (copied > copiedLimit) throw fail("envsubst error: YAMLToJSON: yaml: document contains excessive aliasing");
  const value = readFirst(text, fail);
  if (!isFields(value)) {
    const type = Array.isArray(value) ? "array" : value === null ? "null" : typeof value;
    throw fail(`UnmarshalJSON: json: cannot unmarshal ${type} into Go value of type map[string]interface {}`);
  }
  if (/\.(?:inf|nan)/i.test(text)) refuseNotJson(value, fail);
  // What two places of an object share must not be changed in both when it is changed in one.
  return copied === 0 ? value : readFirst(formatGoYaml(value), fail);
}

/** go-yaml reads the first document and leaves what a variable may have put behind it. */
function readFirst(text: string, fail: (reason: string, cause?: unknown) => BuildFailed): unknown {
  try {
    return parseYamlDocuments(text)[0] ?? null;
  } catch (error) {
    throw fail(`envsubst error: YAMLToJSON: yaml: ${yamlProblem(error)}`);
  }
}

function refuseNotJson(value: unknown, fail: (reason: string) => BuildFailed): void {
  if (typeof value === "object" && value !== null) for (const part of Object.values(value)) refuseNotJson(part, fail);
  if (typeof value !== "number" || Number.isFinite(value)) return;
  const shown = Number.isNaN(value) ? "NaN" : value > 0 ? "+Inf" : "-Inf";
  throw fail(`envsubst error: YAMLToJSON: json: unsupported value: ${shown}`);
}
