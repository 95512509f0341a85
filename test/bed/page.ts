import { readFile } from "node:fs/promises";

/**
 * What a page of the documentation shows, in order, as a reader would do it. A fenced block under the line
 * "`path/of/file`:" is a file of the Git repository (`fleet` unless the line says "in the repository `name`"); any other
 * `yaml` block is applied to the cluster; a `console` block has commands after `$ ` and what they print. Others are only read.
 */
export type Step =
  | { type: "file"; repository: string; path: string; content: string; line: number }
  | { type: "objects"; content: string; line: number }
  | { type: "command"; command: string; output: string; line: number };

/** An example stands for itself: all steps below one heading of the second level. */
export type Section = { title: string; steps: Step[] };

/** Reads a page's sections that have steps. Throws where a block is not closed. */
export async function readPage(file: string): Promise<{ text: string; sections: Section[] }> {
  const text = await readFile(file, "utf8");
  return { text, sections: sectionsOf(text) };
}

/** The sections of a page's text. */
export function sectionsOf(text: string): Section[] {
  const lines = text.split("\n");
  const sections: Section[] = [];
  let title = "";
  let above = "";
  for (let index = 0; index < lines.length; index++) {
    const line = lines[index] ?? "";
    title = /^## (.+)$/.exec(line)?.[1] ?? title;
    const [, fence, language = ""] = /^(```+)(\w*)$/.exec(line) ?? [];
    if (fence === undefined) {
      if (line.trim() !== "") above = line;
      continue;
    }
    const end = lines.indexOf(fence, index + 1);
    if (end === -1) throw new Error(`the block of line ${index + 1} is not closed`);
    const content = `${lines.slice(index + 1, end).join("\n")}\n`;
    const steps = stepsOf({ language, content, above, line: index + 1 });
    const last = sections.at(-1);
    if (last?.title === title) last.steps.push(...steps);
    else if (steps.length > 0) sections.push({ title, steps: [...steps] });
    index = end;
    above = "";
  }
  return sections;
}

function stepsOf(block: { language: string; content: string; above: string; line: number }): Step[] {
  const { language, content, above, line } = block;
  const [, path, repository = "fleet"] = /^`([^` ]+)`(?:,? in the repository `([a-z]+)`)?:$/.exec(above) ?? [];
  if (path !== undefined) return [{ type: "file", repository, path, content, line }];
  if (language === "yaml") return [{ type: "objects", content, line }];
  return language === "console" ? commandsOf(content, line) : [];
}

function commandsOf(content: string, line: number): Step[] {
  const steps: Extract<Step, { type: "command" }>[] = [];
  for (const text of content.replaceAll("\\\n", " ").trimEnd().split("\n")) {
    const last = steps.at(-1);
    if (text.startsWith("$ ")) steps.push({ type: "command", command: text.slice(2), output: "", line });
    else if (last === undefined) throw new Error(`the block of line ${line} does not begin with a command`);
    else last.output += `${text}\n`;
  }
  return steps;
}

/**
 * Whether a command printed what a page says: blanks count once, `...` stands for anything in a line, and a line of it for
 * any number of lines.
 */
export function isAsShown(printed: string, shown: string): boolean {
  const linesOf = (text: string) =>
    text
      .split("\n")
      .map((line) => line.trim().replace(/\s+/g, " "))
      .filter((line) => line !== "");
  const pattern = linesOf(shown).map((line) =>
    line === "..." ? "(?:.*\\n)*" : `${line.split("...").map(escaped).join(".*")}\\n`,
  );
  const text = linesOf(printed)
    .map((line) => `${line}\n`)
    .join("");
  return new RegExp(`^${pattern.join("")}$`).test(text);
}

function escaped(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&");
}
