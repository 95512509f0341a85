/** A submodule as a .gitmodules file names it. */
export type Module = { path: string; url: string };

/** Submodules that one file names; more are not looked at. */
const countLimit = 10_000;

/**
 * Reads a .gitmodules file (gitmodules, git-config "Syntax"): the sections that have both a path and an address. Lines that are not
 * of that syntax are skipped.
 */
export function parseModules(text: string): Module[] {
  const modules = new Map<string, Partial<Module>>();
  let current: Partial<Module> | undefined;
  for (const line of linesOf(text)) {
    const section = /^\s*\[\s*([\w.-]+)(?:\s+"((?:[^"\\]|\\.)*)")?\s*\]\s*(.*)$/.exec(line);
    let rest = line;
    if (section !== null) {
      const name = section[1]?.toLowerCase() === "submodule" ? section[2]?.replace(/\\(.)/g, "$1") : undefined;
      current = name === undefined || modules.size >= countLimit ? undefined : (modules.get(name) ?? {});
      if (name !== undefined && current !== undefined) modules.set(name, current);
      rest = section[3] ?? "";
    }
    const setting = /^\s*([A-Za-z][\w-]*)\s*=\s*(.*)$/.exec(rest);
    if (current === undefined || setting === null) continue;
    const key = setting[1]?.toLowerCase();
    if (key === "path" || key === "url") current[key] = settingOf(setting[2] ?? "");
  }
  return [...modules.values()].flatMap(({ path, url }) => (path && url ? [{ path, url }] : []));
}

/** A backslash at the end of a line joins the next to it. */
function linesOf(text: string): string[] {
  return text.replace(/\\\r?\n/g, "").split(/\r?\n/);
}

const escapes: Record<string, string> = { n: "\n", t: "\t", b: "\b" };

/** A value without its quotes and comments; blanks within it stay, those around it do not. */
function settingOf(text: string): string {
  let value = "";
  let kept = 0;
  let quoted = false;
  for (let at = 0; at < text.length; at++) {
    const character = text[at] ?? "";
    if (!quoted && (character === "#" || character === ";")) break;
    if (character === '"') quoted = !quoted;
    else if (character === "\\") {
      const escaped = text[++at] ?? "";
      value += escapes[escaped] ?? escaped;
    } else value += character;
    if (quoted || !/\s/.test(character)) kept = value.length;
  }
  return value.slice(0, kept);
}
