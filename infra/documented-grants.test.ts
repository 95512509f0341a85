import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { functionNames } from "./bundle.ts";
import { parseConfig } from "./config.ts";
import { type Needs, needs } from "./grants.ts";
import { propertiesOf, templateOf } from "./template.ts";

const read = (name: string) => readFileSync(fileURLToPath(new URL(`../docs/${name}`, import.meta.url)), "utf8");
const page = read("deploy-aws.md");
const sources = read("sources-aws.md");
const jsonOf = (text: string) => [...text.matchAll(/```json\n([\s\S]*?)```/g)].map(([, json = ""]) => JSON.parse(json));

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
    const examples = jsonOf(page);
    expect(examples.length).toBeGreaterThan(2);
    for (const example of examples) expect(() => parseConfig(example)).not.toThrow();
  });
});

describe("docs/sources-aws.md", () => {
  it("has settings and policies that are valid, and gives others' repositories the rights of the role of sources", () => {
    const examples = jsonOf(sources);
    expect(examples).toHaveLength(3);
    for (const example of examples) expect(() => parseConfig(example)).not.toThrow();
    const template = templateOf({ sources: Object.assign({}, ...examples.map((example) => example.sources)) });
    const role = JSON.stringify(propertiesOf(template, "AWS::IAM::Role", "SourcesRole"));
    const policies = [...sources.matchAll(/<<'?JSON'?\n([\s\S]*?)\nJSON$/gm)].map(([, json = ""]) => JSON.parse(json));
    expect(policies).toHaveLength(3);
    const [pull] = policies[0].Statement;
    expect(role).toContain(`"Action":${JSON.stringify(pull.Action)}`);
    expect(pull.Principal.AWS).toMatch(/:role\/sluice-sources-eu-central-1$/);
  });
});
