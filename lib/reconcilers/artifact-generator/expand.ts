import type { ArtifactGeneratorSpec, OutputArtifact } from "../../api/artifact-generator.ts";
import { labelKeyProblems, labelValueProblems, subdomainProblems } from "./kubernetes-names.ts";
import { type Tree, walkTree } from "./tree.ts";

/** An artifact to make, with the labels that its captures give it (AG-021). */
export type Output = OutputArtifact & { labels: Record<string, string> };

/** A path pattern that cannot be worked with until it or the source changes (AG-022). */
export class PatternError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "PatternError";
  }
}

const captureName = /^[A-Za-z_][A-Za-z0-9_]*$/;

/** Artifacts that one generator may make. */
const outputLimit = 10_000;

/**
 * The artifacts of a generator: those of its spec, or with `pathPattern` those of every directory that matches it, in the order of
 * paths (AG-021, AG-023). Names and labels get the captures in lower case, copies as they are. Throws PatternError.
 */
export async function expandOutputs(
  { artifacts, pathPattern }: ArtifactGeneratorSpec,
  sources: ReadonlyMap<string, Tree>,
): Promise<Output[]> {
  if (pathPattern === undefined || pathPattern === "") return artifacts.map((output) => ({ ...output, labels: {} }));
  const told = `pathPattern ${quoted(pathPattern)}`;
  const cut = pathPattern.indexOf("/");
  if (cut === -1 || !pathPattern.startsWith("@")) throw new PatternError(`invalid pathPattern format: ${pathPattern}`);
  const alias = pathPattern.slice(1, cut);
  const source = sources.get(alias);
  if (source === undefined) throw new PatternError(`${told}: source alias ${alias} not found in local sources`);
  const { names, match } = await matcherOf(told, pathPattern.slice(cut + 1));
  const outputs: Output[] = [];
  const directories = new Map<string, string>();
  for (const [path, node] of walkTree(source)) {
    const values = node.type === "directory" ? match(path) : undefined;
    if (values === undefined) continue;
    const captures = new Map(names.map((name, index) => [name, values[index] ?? ""]));
    const labels = Object.fromEntries([...captures].map(([name, value]) => [name, value.toLowerCase()]));
    for (const [name, value] of Object.entries(labels)) {
      const problems = labelValueProblems(value);
      if (problems.length > 0)
        throw new PatternError(
          `${told}: captured value ${quoted(value)} for variable ${quoted(name)} is not a valid Kubernetes label value: ${problems.join("; ")}`,
        );
    }
    for (const artifact of artifacts) {
      const output = render(
        artifact,
        captures,
        labels,
        (words) => `${told}: failed to render artifact ${artifact.name} for match ${path}: ${words}`,
      );
      const problems = subdomainProblems(output.name);
      if (problems.length > 0)
        throw new PatternError(
          `${told}: rendered artifact name ${quoted(output.name)} is not a valid Kubernetes object name: ${problems.join("; ")}`,
        );
      const before = directories.get(output.name);
      if (before !== undefined)
        throw new PatternError(
          `${told}: directories ${quoted(before)} and ${quoted(path)} both resolve to artifact name ${quoted(output.name)}`,
        );
      directories.set(output.name, path);
      outputs.push(output);
      if (outputs.length > outputLimit) throw new PatternError(`${told}: more than ${outputLimit} artifacts`);
    }
  }
  return outputs;
}

/** What finds the captures of a directory's path, in the order of their names. Throws PatternError. */
async function matcherOf(
  told: string,
  pattern: string,
): Promise<{ names: string[]; match: (path: string) => string[] | undefined }> {
  const pieces = parsePieces(pattern, (words) => `${told}: ${words}`);
  const names = pieces.flatMap((piece) => (typeof piece === "string" ? [] : [piece.capture]));
  for (const [index, name] of names.entries()) {
    if (names.indexOf(name) !== index) throw new PatternError(`${told}: duplicate capture variable ${quoted(name)}`);
  }
  for (const name of names) {
    const problems = labelKeyProblems(name);
    if (problems.length > 0)
      throw new PatternError(
        `${told}: capture variable ${quoted(name)} is not a valid Kubernetes label key: ${problems.join("; ")}`,
      );
  }
  // RE2 finds what Go would, and never takes longer than both lengths together make.
  const { RE2JS } = await import("re2js");
  const text = pieces.map((piece) => (typeof piece === "string" ? RE2JS.quote(piece) : "([^/]+)")).join("");
  const expression = RE2JS.compile(text);
  return {
    names,
    match: (path) => {
      const matcher = expression.matcher(path);
      return matcher.matches() ? names.map((_, index) => matcher.group(index + 1) ?? "") : undefined;
    },
  };
}

type Piece = string | { capture: string };

function parsePieces(pattern: string, say: (words: string) => string): Piece[] {
  const pieces: Piece[] = [];
  let at = 0;
  while (at < pattern.length) {
    const next = /[{}]/g;
    next.lastIndex = at;
    const index = next.exec(pattern)?.index ?? pattern.length;
    if (index > at) pieces.push(pattern.slice(at, index));
    if (index === pattern.length) break;
    const offset = Buffer.byteLength(pattern.slice(0, index));
    if (pattern[index] === "}")
      throw new PatternError(say(`invalid capture ending at offset ${offset}: missing opening brace`));
    const end = pattern.indexOf("}", index);
    if (end === -1) throw new PatternError(say(`invalid capture starting at offset ${offset}: missing closing brace`));
    const capture = pattern.slice(index + 1, end);
    if (capture === "") throw new PatternError(say("empty capture variable"));
    if (!captureName.test(capture)) throw new PatternError(say(misnamed(capture)));
    pieces.push({ capture });
    at = end + 1;
  }
  return pieces;
}

function misnamed(capture: string): string {
  return `capture variable ${quoted(capture)} must be a valid capture name matching [A-Za-z_][A-Za-z0-9_]*`;
}

function render(
  output: OutputArtifact,
  captures: ReadonlyMap<string, string>,
  labels: Record<string, string>,
  say: (words: string) => string,
): Output {
  const lowered = new Map(Object.entries(labels));
  return {
    ...output,
    name: fill(output.name, lowered, say),
    labels,
    copy: output.copy.map((copy) => ({
      ...copy,
      from: fill(copy.from, captures, say),
      to: fill(copy.to, captures, say),
    })),
  };
}

function fill(template: string, values: ReadonlyMap<string, string>, say: (words: string) => string): string {
  const invalid = (words: string) => say(`invalid template ${quoted(template)}: ${words}`);
  const pieces = parsePieces(template, (words) =>
    invalid(words.replace(/^invalid (capture \w+ at offset \d+): /, "$1 is ")),
  );
  return pieces
    .map((piece) => {
      if (typeof piece === "string") return piece;
      const value = values.get(piece.capture);
      if (value !== undefined) return value;
      throw new PatternError(invalid(`capture variable ${quoted(piece.capture)} is not defined by pathPattern`));
    })
    .join("");
}

/** As Go's `%q`, for texts of an API object. */
function quoted(text: string): string {
  return JSON.stringify(text);
}
