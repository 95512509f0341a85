import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { TSchema } from "@sinclair/typebox";
import { describe, expect, it } from "vitest";
import { kustomization } from "../lib/api/schema/kustomization.ts";
import { parseYamlDocuments } from "../lib/text/yaml.ts";
import { isAsShown, readPage, sectionsOf } from "./bed/page.ts";
import { runSection } from "./bed/page-run.ts";

const root = join(import.meta.dirname, "..");
const page = await readPage(join(root, "docs/kustomization.md"));

/** What several fields have, and the page explains once: selectors of objects. */
const selectors = /^(.*)\.target\.(\w+)$/;

/** The paths of all fields below a schema, as the page writes them: `postBuild.substituteFrom[].name`. */
function fieldsOf(schema: TSchema, path: string): string[] {
  if (schema.type === "array") return fieldsOf(schema.items, `${path}[]`);
  const properties: Record<string, TSchema> = schema.properties ?? {};
  return Object.entries(properties).flatMap(([name, field]) => {
    const own = path === "" ? name : `${path}.${name}`;
    return [own, ...fieldsOf(field, own)];
  });
}

/** The paths of all fields that an object sets. */
function setFields(value: unknown, path: string): string[] {
  if (Array.isArray(value)) return value.flatMap((item) => setFields(item, `${path}[]`));
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([name, field]) => {
    const own = path === "" ? name : `${path}.${name}`;
    return [own, ...setFields(field, own)];
  });
}

/** The specifications of the Kustomizations that the page applies. */
function shownSpecs(): unknown[] {
  const blocks = page.sections.flatMap(({ steps }) => steps.flatMap((step) => (step.type === "objects" ? [step] : [])));
  const objects = blocks.flatMap(({ content }) => parseYamlDocuments(content));
  return objects.flatMap((object) => {
    const isOne = typeof object === "object" && object !== null && "kind" in object && object.kind === "Kustomization";
    return isOne && "spec" in object ? [object.spec] : [];
  });
}

const shared = (field: string) => field.replace(selectors, "target.$2");
const inBackticks = new Set([...page.text.matchAll(/`([^`\n]+)`/g)].map(([, text]) => text ?? ""));
const gateFlag = "--feature-gates=Name=true";
/** Flags of sources and of notifications, which the page does not speak of. */
const ofOtherControllers = /^(artifact|helm|ssh)-|^rate-limit-interval$/;
const specFields = fieldsOf(kustomization.spec, "");

describe("docs/kustomization.md", () => {
  it("names every field of the specification and of the status", () => {
    const status = fieldsOf(kustomization.status ?? kustomization.spec, "status");
    const named = [...specFields, ...status.filter((field) => !field.startsWith("status.conditions[]."))];
    expect(named.map(shared).filter((field) => !inBackticks.has(field))).toEqual([]);
  });

  it("names every flag that is read, every gate, and every reason", async () => {
    const read = (file: string) => readFile(join(root, file), "utf8");
    const flags = (await read("lib/engine/settings.ts")).matchAll(/\b(?:read|seconds|text|list)\("([a-z-]+)"/g);
    const names = [...flags].map(([, name]) => name ?? "").filter((name) => !ofOtherControllers.test(name));
    expect(names.length).toBeGreaterThan(15);
    expect(names.filter((name) => !inBackticks.has(name === "feature-gates" ? gateFlag : `--${name}`))).toEqual([]);

    const rooms = await readdir(join(root, "lib"), { recursive: true });
    const sources = rooms.filter((name) => /^(engine|front|reconcilers)\/.*(?<!\.test)\.ts$/.test(name));
    const texts = await Promise.all(sources.map((name) => read(`lib/${name}`)));
    const gates = texts.flatMap((text) => [...text.matchAll(/\bfeatureGates\.(\w+)/g)].map(([, gate]) => gate ?? ""));
    expect(gates.length).toBeGreaterThan(5);
    expect(gates.filter((gate) => !inBackticks.has(gate))).toEqual([]);

    const reasons = /type KustomizationReason =([^;]*);/.exec(await read("lib/api/reason.ts"))?.[1] ?? "";
    const words = [...reasons.matchAll(/"(\w+)"/g)].map(([, word]) => word ?? "");
    expect(words.length).toBeGreaterThan(5);
    expect(words.filter((word) => !inBackticks.has(word))).toEqual([]);
  });

  it("sets every field of the specification in an example", () => {
    const set = new Set(shownSpecs().flatMap((spec) => setFields(spec, "").map(shared)));
    expect(specFields.map(shared).filter((field) => !set.has(field))).toEqual([]);
  });

  // What has to be waited for begins first.
  const slow = page.sections.filter((section) => JSON.stringify(section).includes("timeout: 30s"));
  const sections = [...slow, ...page.sections.filter((section) => !slow.includes(section))];
  it.concurrent.each(sections.map((section) => [section.title, section] as const))(
    "shows what happens: %s",
    async (_title, section) => {
      await runSection(section);
    },
    240_000,
  );
});

/** The anchors that GitHub gives a page's headings. */
function anchorsOf(text: string): string[] {
  const headings = text.replaceAll(/^(```+)\w*\n[\s\S]*?\n\1$/gm, "").matchAll(/^#+ (.+)$/gm);
  return [...headings].map(([, heading = ""]) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N}_ -]/gu, "")
      .replaceAll(" ", "-"),
  );
}

/** The links of a page that lead to no file of the repository, or to no heading of a page. */
async function deadLinks(file: string): Promise<string[]> {
  const text = await readFile(join(root, file), "utf8");
  const links = [...text.matchAll(/\]\(([^)\s]+)\)/g)].map(([, link]) => link ?? "");
  const dead = await Promise.all(
    links.map(async (link) => {
      if (/^https?:/.test(link)) return [];
      const [path = "", anchor] = link.split("#");
      const target = path === "" ? join(root, file) : join(root, file, "..", path);
      const linked = await readFile(target, "utf8").catch(() => undefined);
      const isDead = linked === undefined || (anchor !== undefined && !anchorsOf(linked).includes(anchor));
      return isDead ? [`${file}: ${link}`] : [];
    }),
  );
  return dead.flat();
}

describe("the pages", () => {
  it("have no links that lead nowhere", async () => {
    const pages = (await readdir(join(root, "docs"))).filter((name) => name.endsWith(".md"));
    const dead = await Promise.all(["README.md", ...pages.map((name) => `docs/${name}`)].map(deadLinks));
    expect(dead.flat()).toEqual([]);
  });
});

describe("the reader of pages", () => {
  it("takes files, objects and commands out of a page, in order", () => {
    const text = [
      "## One",
      "`a.yaml`:",
      "",
      "```yaml",
      "a: 1",
      "```",
      "```yaml",
      "b: 2",
      "```",
      "```console",
      "$ kubectl get x \\",
      "  -o name",
      "x",
      "$ kubectl get y",
      "```",
      "```sh",
      "flux get all",
      "```",
      "## Two",
      "`b.yaml` in the repository `library`:",
      "```yaml",
      "c: 3",
      "```",
    ].join("\n");
    const [one, two, ...others] = sectionsOf(text);
    expect(others).toEqual([]);
    expect(one?.steps).toMatchObject([
      { type: "file", repository: "fleet", path: "a.yaml", content: "a: 1\n" },
      { type: "objects", content: "b: 2\n" },
      { type: "command", command: "kubectl get x    -o name", output: "x\n" },
      { type: "command", command: "kubectl get y", output: "" },
    ]);
    expect(two?.steps).toMatchObject([{ type: "file", repository: "library", path: "b.yaml" }]);
  });

  it("tells what was not printed as it is shown", () => {
    expect(isAsShown("NAME   READY\nweb    True\n", "NAME READY\nweb True\n")).toBe(true);
    expect(isAsShown("web  True  main@sha1:1234\n", "web True main@sha1:...\n")).toBe(true);
    expect(isAsShown("first\nsecond\nthird\n", "first\n...\n")).toBe(true);
    expect(isAsShown("web  False\n", "web True\n")).toBe(false);
    expect(isAsShown("webXTrue\n", "web.True\n")).toBe(false);
    expect(isAsShown("first\nsecond\n", "first\n")).toBe(false);
  });
});
