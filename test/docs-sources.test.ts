import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { KubernetesObject } from "../lib/api/object.ts";
import { definitions } from "../lib/api/schema/kinds.ts";
import { applyObject } from "../lib/cluster/objects.ts";
import { parseYamlDocuments } from "../lib/text/yaml.ts";
import { readPage } from "./bed/page.ts";
import { runSection } from "./bed/page-run.ts";
import { openWorkspace, type Workspace } from "./bed/workspace.ts";

const root = join(import.meta.dirname, "..");
const page = await readPage(join(root, "docs/sources.md"));
const inBackticks = new Set([...page.text.matchAll(/`([^`\n]+)`/g)].map(([, text]) => text ?? ""));
const shown = [...page.text.matchAll(/^```ya?ml\n([\s\S]*?)^```$/gm)].map(([, content = ""]) => content);

/** Fields that no user sets any more (CV-003, CV-005), and what all kinds have and the page explains once. */
const old = new Set(["gitImplementation", "accessFrom", "valuesFile"]);

describe("docs/sources.md", () => {
  it("has an example or a word for every field of every kind of source", () => {
    const kinds = definitions.filter(({ group }) => group.startsWith("source."));
    const fields = kinds.flatMap(({ spec }) => Object.keys(spec.properties ?? {})).filter((name) => !old.has(name));
    const examples = shown.join("\n");
    const isNamed = (field: string) =>
      [...inBackticks].some((text) => text === field || text.startsWith(`${field}:`)) || examples.includes(`${field}:`);
    expect(kinds.length).toBeGreaterThan(3);
    expect(fields.filter((field) => !isNamed(field))).toEqual([]);
  });

  it("names every flag of the sources' placeholder", async () => {
    const settings = await readFile(join(root, "lib/engine/settings.ts"), "utf8");
    const flags = [...settings.matchAll(/\b(?:read|seconds|text|list)\("([a-z-]+)"/g)].map(([, name]) => name ?? "");
    const ours = flags.filter((name) => /^(artifact|helm|ssh|token-cache)-/.test(name));
    expect(ours.length).toBeGreaterThan(7);
    expect(ours.filter((name) => !inBackticks.has(`--${name}`))).toEqual([]);
  });

  it.concurrent.each(page.sections.map((section) => [section.title, section] as const))(
    "shows what happens: %s",
    async (_title, section) => {
      await runSection(section);
    },
    120_000,
  );
});

describe("the examples of docs/sources.md and docs/sources-aws.md that need a cloud", () => {
  let workspace: Workspace;
  beforeAll(async () => {
    workspace = await openWorkspace("examples");
  });
  afterAll(() => workspace?.close());

  it("are what the API takes", async () => {
    const { text } = await readPage(join(root, "docs/sources-aws.md"));
    const blocks = [...`${page.text}\n${text}`.matchAll(/^```yml\n([\s\S]*?)^```$/gm)].map(
      ([, content = ""]) => content,
    );
    const objects = blocks.flatMap((content) => parseYamlDocuments(content)) as KubernetesObject[];
    expect(objects.length).toBeGreaterThan(5);
    for (const object of objects) {
      const own = { ...object, metadata: { ...object.metadata, namespace: workspace.namespace } };
      const options = { fieldManager: "kubectl", dryRun: true };
      await expect(applyObject(workspace.client, own, options), object.metadata.name).resolves.toBeDefined();
    }
  });
});
