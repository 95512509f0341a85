import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { KubernetesObject } from "../lib/api/object.ts";
import { definitions } from "../lib/api/schema/kinds.ts";
import { bucketLimits } from "../lib/bucket/fetch-bucket.ts";
import { chartLimits } from "../lib/chart/archive.ts";
import { applyObject } from "../lib/cluster/objects.ts";
import { defaultLimits } from "../lib/git/limits.ts";
import { openSpool } from "../lib/platform/spool.ts";
import { applyCopies } from "../lib/reconcilers/artifact-generator/copy.ts";
import { emptyTree, makeDirectory, putFile, walkTree } from "../lib/reconcilers/artifact-generator/tree.ts";
import { packedLimits, sourceLimits } from "../lib/reconcilers/artifact-generator/unpack.ts";
import { parseYamlDocuments } from "../lib/text/yaml.ts";
import { readPage } from "./bed/page.ts";
import { runSection } from "./bed/page-run.ts";
import { openWorkspace, type Workspace } from "./bed/workspace.ts";

const root = join(import.meta.dirname, "..");
const page = await readPage(join(root, "docs/sources.md"));
const inBackticks = new Set([...page.text.matchAll(/`([^`\n]+)`/g)].map(([, text]) => text ?? ""));

/** A fenced block of a page, wherever it begins and however it is fenced. */
type Block = { language: string; content: string };

function blocksOf(text: string): Block[] {
  const blocks = text.matchAll(/^[ \t]*(```+|~~~+)[ \t]*([^\n]*)\n([\s\S]*?)^[ \t]*\1[ \t]*$/gm);
  return [...blocks].map(([, , language = "", content = ""]) => ({ language, content }));
}

const objectsIn = ({ content }: Block) => parseYamlDocuments(content) as (KubernetesObject & { spec?: unknown })[];
const blocks = blocksOf(page.text);
const steps = page.sections.flatMap((section) => section.steps);

/** Fields that no user sets any more (CV-003, CV-005), and what all kinds have and the page explains once. */
const old = new Set(["gitImplementation", "accessFrom", "valuesFile"]);

describe("docs/sources.md", () => {
  it("has an example or a word for every field of every kind of source", () => {
    const kinds = definitions.filter(({ group }) => group.startsWith("source."));
    const fields = kinds.flatMap(({ spec }) => Object.keys(spec.properties ?? {})).filter((name) => !old.has(name));
    const examples = blocks.map(({ content }) => content).join("\n");
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

  it("names every key of the Secrets that sources read", async () => {
    const places = ["git-repository/secret-options", "bucket/azure-access", "bucket/gcs-access", "bucket/s3-access"];
    const shared = ["source/proxy-secret", "source/tls-secret", "source/signature", "helm-repository/secret"];
    const read = (name: string) => readFile(join(root, `lib/reconcilers/${name}.ts`), "utf8");
    const code = (await Promise.all([...places, ...shared].map(read))).join("\n");
    const asked = code.matchAll(
      /(?:text(?:In|Of)\([^,()]+, |\b(?:data|own)\.(?:has|get)\(|\bread\(|Key = )"([A-Za-z_.]+)"(?:, "(\w+)")?/g,
    );
    const keys = new Set([...asked].flatMap(([, key = "", old]) => [key, ...(old === undefined ? [] : [old])]));
    expect(keys.size).toBeGreaterThan(25);
    expect([...keys].filter((key) => !inBackticks.has(key))).toEqual([]);
  });

  it("says what is said beyond the limits, in numbers of the code", () => {
    const { pack, object, objects, files, content, references } = defaultLimits;
    const { objects: keys, object: one, ignoreFile } = bucketLimits;
    const others = [keys, one, ignoreFile, chartLimits.chart, chartLimits.file, packedLimits.total, sourceLimits.total];
    const table = page.text.slice(page.text.indexOf("## Limits"), page.text.indexOf("## When something is wrong"));
    const told = new Set([...table.matchAll(/\d{4,}/g)].map(([number]) => Number(number)));
    for (const limit of [pack, object, objects, files, content, references, ...others]) expect(told).toContain(limit);
  });

  it("has no example that the tests do not see", () => {
    expect(blocks.length).toBeGreaterThan(40);
    expect(blocks.filter(({ language }) => !["yaml", "yml", "md", "console", "sh"].includes(language))).toEqual([]);
    const run = new Set(steps.map((step) => ("content" in step ? step.content : "")));
    const unseen = blocks.filter(({ language, content }) => ["yaml", "md"].includes(language) && !run.has(content));
    expect(unseen).toEqual([]);
    // What is applied is looked at by a command below it.
    for (const { title, steps: own } of page.sections)
      expect({ title, last: own.at(-1)?.type }).toEqual({ title, last: "command" });
    // Only what needs somebody else's servers may be left unrun.
    const cloud = /"provider":"(aws|azure|gcp|github|ldap)"|"matchOIDCIdentity"/;
    const unrun = blocks.filter(({ language }) => language === "yml").flatMap(objectsIn);
    expect(unrun.length).toBeGreaterThan(4);
    expect(unrun.filter(({ spec }) => !cloud.test(JSON.stringify(spec)))).toEqual([]);
  });

  it("shows what a generator's copies make", async () => {
    const rows = [...page.text.matchAll(/^\| `(@a\/[^`]*)` \| `(@artifact\/[^`]*)` \| (.*) \|$/gm)];
    expect(rows.length).toBeGreaterThan(6);
    for (const [row, from = "", to = "", shown = ""] of rows) {
      const [source, artifact, contents] = [emptyTree(), emptyTree(), openSpool()];
      makeDirectory(source, "dir/sub");
      for (const path of ["app.yaml", "dir/b.yaml", "dir/sub/c.yaml"])
        putFile(source, path, { type: "file", executable: false, size: 0, read: () => Buffer.alloc(0) });
      const signal = AbortSignal.timeout(5000);
      await applyCopies([{ from, to }], { sources: new Map([["a", source]]), artifact, contents, signal });
      contents.close();
      const files = [...walkTree(artifact)].filter(([, { type }]) => type === "file");
      expect(files.map(([path]) => `\`${path}\``).join(" "), row).toBe(shown);
    }
  });

  it.concurrent.each(page.sections.map((section) => [section.title, section] as const))(
    "shows what happens: %s",
    async (_title, section) => {
      await runSection(section);
    },
    120_000,
  );
});

describe("the examples that are not run", () => {
  let workspace: Workspace;
  beforeAll(async () => {
    workspace = await openWorkspace("examples");
  });
  afterAll(() => workspace?.close());

  it.each([
    ["docs/sources.md", 6],
    ["docs/sources-aws.md", 5],
    ["docs/deploy-aws.md", 3],
    ["docs/quickstart.md", 2],
    ["README.md", 1],
  ])("are what the API takes: %s", async (file, least) => {
    const text = await readFile(join(root, file), "utf8");
    const isOther = file !== "docs/sources.md";
    const fenced = blocksOf(text).filter(({ language }) => language === "yml" || (isOther && language === "yaml"));
    // Commands apply what they bring along.
    const brought = [...text.matchAll(/kubectl apply -f - <<'YAML'\n([\s\S]*?)^YAML$/gm)];
    const all = [...fenced, ...brought.map(([, content = ""]) => ({ language: "yaml", content }))].flatMap(objectsIn);
    expect(all.length).toBeGreaterThanOrEqual(least);
    for (const object of all) {
      const own = { ...object, metadata: { ...object.metadata, namespace: workspace.namespace } };
      const options = { fieldManager: "kubectl", dryRun: true };
      await expect(applyObject(workspace.client, own, options), object.metadata.name).resolves.toBeDefined();
    }
  });
});
