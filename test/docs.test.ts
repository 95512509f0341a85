import { join } from "node:path";
import type { TSchema } from "@sinclair/typebox";
import { describe, expect, it } from "vitest";
import { kustomization } from "../lib/api/schema/kustomization.ts";
import { parseYamlDocuments } from "../lib/text/yaml.ts";
import { isAsShown, readPage, sectionsOf } from "./bed/page.ts";
import { runSection } from "./bed/page-run.ts";

const page = await readPage(join(import.meta.dirname, "../docs/kustomization.md"));

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
const specFields = fieldsOf(kustomization.spec, "");

describe("docs/kustomization.md", () => {
  it("names every field of the specification and of the status", () => {
    const status = fieldsOf(kustomization.status ?? kustomization.spec, "status");
    const named = [...specFields, ...status.filter((field) => !field.startsWith("status.conditions[]."))];
    expect(named.map(shared).filter((field) => !inBackticks.has(field))).toEqual([]);
  });

  it("sets every field of the specification in an example", () => {
    const set = new Set(shownSpecs().flatMap((spec) => setFields(spec, "").map(shared)));
    expect(specFields.map(shared).filter((field) => !set.has(field))).toEqual([]);
  });

  it.concurrent.each(page.sections.map((section) => [section.title, section] as const))(
    "shows what happens: %s",
    async (_title, section) => {
      await runSection(section);
    },
    240_000,
  );
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
