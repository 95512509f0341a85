import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { createRequire, stripTypeScriptTypes } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

const root = fileURLToPath(new URL("..", import.meta.url));
const folders = ["functions", "lib", "infra", "bench", "test"];

let directory: string;
let sources: string[];

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "sluice-house-"));
  const { stdout } = await run("git", ["ls-files", "--cached", "--others", "--exclude-standard", "--", ...folders]);
  const paths = [...new Set(stdout.split("\n"))].filter((path) => path.endsWith(".ts"));
  const there = await Promise.all(paths.map((path) => readFile(join(root, path), "utf8").catch(() => undefined)));
  sources = paths.filter((_, index) => there[index] !== undefined);
});

afterAll(() => rm(directory, { recursive: true, force: true }));

type Finished = { code: number; stdout: string; output: string };

async function run(command: string, args: string[], cwd = root): Promise<Finished> {
  const options = { cwd, maxBuffer: 64 * 1024 * 1024, env: { ...process.env, NO_COLOR: "1", FORCE_COLOR: "0" } };
  try {
    const { stdout, stderr } = await promisify(execFile)(command, args, options);
    return { code: 0, stdout, output: stdout + stderr };
  } catch (error) {
    if (!(error instanceof Error && "stdout" in error && "stderr" in error)) throw error;
    const stdout = String(error.stdout);
    return { code: "code" in error ? Number(error.code) : 1, stdout, output: stdout + String(error.stderr) };
  }
}

const program = (name: string) => join(root, "node_modules", ".bin", name);

/** What the checker of imports finds in a tree: nothing, or every forbidden import with what is allowed. */
async function cruise(config: string, tree: string): Promise<string> {
  const inside = (await readdir(tree)).filter((name) => folders.includes(name));
  const args = ["--config", join(root, config), "--output-type", "err-long", ...inside];
  const { code, output } = await run(program("depcruise"), args, tree);
  return code === 0 ? "" : output;
}

async function plant(tree: string, files: Record<string, string>): Promise<string> {
  await mkdir(tree, { recursive: true });
  await writeFile(join(tree, "tsconfig.json"), "{}");
  await symlink(join(root, "node_modules"), join(tree, "node_modules"));
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(tree, path)), { recursive: true });
    await writeFile(join(tree, path), text);
  }
  return tree;
}

describe("the house", () => {
  it("has no finding of the linter, and is formatted", async () => {
    const { code, output } = await run(program("biome"), ["ci", "--colors=off", "--reporter=summary"]);
    expect(code, output).toBe(0);
  });

  it("type-checks", async () => {
    const { code, output } = await run(program("tsc"), ["--noEmit"]);
    expect(code, output).toBe(0);
  });

  it("has no import that its rooms forbid", async () => {
    expect(await cruise(".dependency-cruiser.cjs", root)).toBe("");
  });

  it("loads no file in a circle, and no schema in a function", async () => {
    const stripped = await Promise.all(
      sources.map(async (path) => [path, stripTypeScriptTypes(await readFile(join(root, path), "utf8"))] as const),
    );
    const tree = await plant(join(directory, "loaded"), Object.fromEntries(stripped));
    expect(await cruise("test/loaded.dependency-cruiser.cjs", tree)).toBe("");
  });

  it("has a rule for every room of lib", async () => {
    const rooms = (await readdir(join(root, "lib"))).filter((name) => name !== "host" && name !== "cli");
    expect(rules.map(({ name }) => name)).toEqual(expect.arrayContaining(rooms.map((room) => `room-${room}`)));
  });

  it("has no file of more than 300 lines outside the tests", async () => {
    const long: string[] = [];
    for (const path of sources.filter((path) => !path.endsWith(".test.ts") && !path.startsWith("test/"))) {
      const lines = (await readFile(join(root, path), "utf8")).split("\n").length - 1;
      if (lines > 300) long.push(`${path} has ${lines} lines: is it still one thing?`);
    }
    expect(long).toEqual([]);
  });

  it("names every file after what it holds", () => {
    const vague = /(^|\/)(utils?|helpers?|common|misc|shared|base|manager|index)(\.[a-z.]+|\/)/;
    expect(sources.filter((path) => vague.test(path))).toEqual([]);
  });

  it("exports no class but errors, and gives up on no type", async () => {
    const found: string[] = [];
    for (const path of sources) {
      for (const [index, line] of (await readFile(join(root, path), "utf8")).split("\n").entries()) {
        const plainClass = /^export (abstract )?class \w+/.test(line) && !/ extends \w*Error\b/.test(line);
        if (plainClass || /@ts-(ignore|nocheck|expect-error)/.test(line.replace(/\/@ts-.*/, "")))
          found.push(`${path}:${index + 1} ${line.trim()}`);
      }
    }
    expect(found).toEqual([]);
  });
});

type Rule = { name: string; comment: string; from: { path: string }; to: { pathNot?: string } };
const { forbidden: rules }: { forbidden: Rule[] } = createRequire(import.meta.url)("../.dependency-cruiser.cjs");
const roomRules = rules.filter(({ name }) => name.startsWith("room-"));

describe("a forbidden import", () => {
  /** One file of each room that imports what its room may not know. */
  const planted = roomRules.map((rule) => {
    const { pathNot = "" } = rule.to;
    const other = ["reconcilers", "kustomize"].find((room) => !new RegExp(pathNot).test(`lib/${room}/`));
    return {
      ...rule,
      room: rule.name.replace("room-", ""),
      target: other === undefined ? "infra/other.ts" : `lib/${other}/other.ts`,
    };
  });
  let output: string;

  beforeAll(async () => {
    const files = planted.flatMap(({ room, target }) => [
      [target, "export type Other = string;\nexport const other = 1;\n"],
      [`lib/${room}/value.ts`, `import { other } from "../../${target}";\nexport const value = other;\n`],
      [`lib/${room}/type.ts`, `import type { Other } from "../../${target}";\nexport type Mine = Other;\n`],
      [`lib/${room}/value.test.ts`, `import { other } from "../../${target}";\nexport const tested = other;\n`],
    ]);
    const tree = await plant(join(directory, "rooms"), Object.fromEntries(files));
    output = (await cruise(".dependency-cruiser.cjs", tree)).replace(/\s+/g, " ");
  });

  it.each(planted)("fails $name with what the room may know", ({ name, comment, room, target }) => {
    for (const file of ["value", "type"])
      expect(output).toContain(`error ${name}: lib/${room}/${file}.ts → ${target} ${comment}`);
    expect(output).not.toContain(`lib/${room}/value.test.ts`);
  });

  it("fails where a function reaches a schema, however far away, and where files load each other", async () => {
    const tree = await plant(join(directory, "reach"), {
      "functions/apply/handler.ts": 'import { work } from "../../lib/engine/work.ts";\nexport const handler = work;\n',
      "lib/engine/work.ts":
        'import { alert } from "../api/schema/alert.ts";\nimport "./life.ts";\nexport const work = alert;\n',
      "lib/engine/life.ts": 'import "./work.ts";\n',
      "lib/api/schema/alert.ts": "export const alert = 1;\n",
    });
    const output = await cruise("test/loaded.dependency-cruiser.cjs", tree);
    expect(output).toContain("error no-schemas-in-functions: functions/apply/handler.ts → lib/api/schema/alert.ts");
    expect(output).toContain("error no-circular: lib/engine/");
  });
});
