/** Which values of a file are encrypted, as its metadata says. At most one of the six can be set; the suffix is the default. */
export type Rule =
  | { kind: "unencrypted_suffix" | "encrypted_suffix" | "unencrypted_regex" | "encrypted_regex"; pattern: string }
  | { kind: "unencrypted_comment_regex" | "encrypted_comment_regex"; pattern: string };

/** The rule of a file that names none. */
export const defaultRule: Rule = { kind: "unencrypted_suffix", pattern: "_unencrypted" };

/** Longest pattern that is read, in characters. */
export const patternLimit = 4096;

/** Longest name that a pattern is matched against, in characters, and the time that all matches of a file may take, in milliseconds. */
const nameLimit = 64 * 1024;
const patience = 5_000;

/**
 * What says of the names on the way to a value whether the value is encrypted; undefined where the rule goes by the remarks
 * before it, which are gone once a file went through kustomize: then the value's own form has to tell.
 * Patterns are RE2's, in time linear to what they are matched against. One that RE2 does not read matches nothing, as in SOPS.
 */
export async function compileRule(rule: Rule): Promise<((path: readonly string[]) => boolean) | undefined> {
  const some = (matches: (name: string) => boolean) => (path: readonly string[]) => path.some(matches);
  const none = (matches: (name: string) => boolean) => (path: readonly string[]) => !path.some(matches);
  switch (rule.kind) {
    case "unencrypted_suffix":
      return none((name) => name.endsWith(rule.pattern));
    case "encrypted_suffix":
      return some((name) => name.endsWith(rule.pattern));
    case "unencrypted_regex":
      return none(await matcher(rule.pattern));
    case "encrypted_regex":
      return some(await matcher(rule.pattern));
    default:
      return undefined;
  }
}

async function matcher(pattern: string): Promise<(name: string) => boolean> {
  const words = wordsOf(pattern);
  if (words !== undefined) return (name) => words.has(name);
  const { RE2JS } = await import("re2js");
  try {
    const compiled = RE2JS.compile(pattern);
    const known = new Map<string, boolean>();
    let spent = 0;
    return (name) => {
      const before = known.get(name);
      if (before !== undefined) return before;
      if (name.length > nameLimit || spent > patience)
        throw new Error("the pattern of what is encrypted takes too long to match");
      const started = performance.now();
      const found = compiled.matcher(name).find();
      spent += performance.now() - started;
      known.set(name, found);
      return found;
    };
  } catch {
    return () => false;
  }
}

/** The names that a pattern such as `^(data|stringData)$` stands for, which nearly every file has; it needs no engine. */
function wordsOf(pattern: string): ReadonlySet<string> | undefined {
  const [, grouped, single] = /^\^(?:\(([\w|-]+)\)|([\w-]+))\$$/.exec(pattern) ?? [];
  if (single !== undefined) return new Set([single]);
  return grouped === undefined ? undefined : new Set(grouped.split("|"));
}
