import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { functionNames } from "./bundle.ts";
import { parseConfig } from "./config.ts";
import { type Needs, needs } from "./grants.ts";

const page = readFileSync(fileURLToPath(new URL("../docs/deploy-aws.md", import.meta.url)), "utf8");

/** What a function may do, as the page has it. */
function rowOf(name: string, { receives, sends, objects, ...rest }: Needs): string {
  const code = (texts: readonly string[]) => texts.map((text) => `\`${text}\``).join(", ");
  const verbs = Object.entries(objects).map(
    ([prefix, allowed]) => `${allowed.join(", ").toLowerCase()} \`${prefix}/*\``,
  );
  const besides = [
    ...(rest.admissionSeed ? ["admission seed"] : []),
    ...(rest.clusters ? ["clusters"] : []),
    ...(rest.decrypts === true ? ["`decryption`"] : []),
    ...(rest.takesSourcesRole === true ? ["`sources`"] : []),
    ...(rest.opensRemoteClusters === true ? ["`remoteClusters`"] : []),
  ];
  const cells = [`\`${name}\``, receives === undefined ? "" : `\`${receives}\``, code(sends)];
  return `| ${[...cells, verbs.join("; "), besides.join(", ")].join(" | ")} |`.replaceAll("|  |", "| |");
}

describe("docs/deploy-aws.md", () => {
  it.each(functionNames)("says all that %s may do, and no more", (name) => {
    const rows = page.split("\n").filter((line) => line.startsWith(`| \`${name}\` | `));
    expect(rows).toContain(rowOf(name, needs[name]));
  });

  it("names every setting, and its examples are settings", () => {
    for (const setting of Object.keys(parseConfig({}))) expect(page).toContain(`| \`${setting}\` |`);
    const examples = [...page.matchAll(/```json\n([\s\S]*?)```/g)].map(([, text = ""]) => JSON.parse(text));
    expect(examples.length).toBeGreaterThan(2);
    for (const example of examples) expect(() => parseConfig(example)).not.toThrow();
  });
});
