import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Bundle, bundleFunctions, type FunctionName, functionNames } from "./bundle.ts";

const directory = mkdtempSync(join(tmpdir(), "sluice-bundles-"));
let bundles: Record<FunctionName, Bundle>;
beforeAll(async () => {
  bundles = await bundleFunctions(join(directory, "functions"), functionNames);
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** What a function must not carry: the local host's, the command line's and the build's own packages. */
const foreign = [
  "@hono/node-server",
  "@kubernetes/client-node",
  "@sinclair/typebox",
  "aws-cdk-lib",
  "citty",
  "esbuild",
  "yauzl",
];

const packagesOf = ({ inputs }: Bundle) =>
  new Set(Object.keys(inputs).flatMap((path) => /.*node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path)?.[1] ?? []));
const roomsOf = ({ inputs }: Bundle) =>
  new Set(Object.keys(inputs).flatMap((path) => /^(lib\/[^/]+|functions|infra|test)\//.exec(path)?.[1] ?? []));

describe("the bundle of a function", () => {
  it.each(functionNames)("%s: is one file in a folder of its own, of 3 MB at most", (name) => {
    const { directory: folder, file, bytes } = bundles[name];
    expect(readdirSync(folder)).toEqual(["index.mjs"]);
    expect(readFileSync(file)).toHaveLength(bytes);
    expect(bytes).toBeLessThanOrEqual(3_000_000);
  });

  it.each(functionNames)(
    "%s: carries nothing that only the local host, the command line or the build needs",
    (name) => {
      const packages = packagesOf(bundles[name]);
      expect(foreign.filter((other) => packages.has(other))).toEqual([]);
      const rooms = roomsOf(bundles[name]);
      expect(["lib/cli", "lib/host", "infra", "test"].filter((room) => rooms.has(room))).toEqual([]);
      expect(
        Object.keys(bundles[name].inputs).filter((path) => /^lib\/(platform\/local|api\/schema)\//.test(path)),
      ).toEqual([]);
    },
  );

  it("carries the AWS SDK, since LocalStack's functions have none and the runtime's is older", () => {
    for (const name of functionNames) {
      expect(packagesOf(bundles[name])).toContain("@aws-sdk/client-sqs");
      expect(readFileSync(bundles[name].file, "utf8")).not.toMatch(/from"@(aws-sdk|smithy)\//);
    }
  });

  it.each(functionNames)("%s: loads, and exports the handler that Lambda asks for", async (name) => {
    const loaded: unknown = await import(bundles[name].file);
    expect(loaded).toHaveProperty("handler", expect.any(Function));
  });

  it("is the same bytes for the same sources", async () => {
    const again = await bundleFunctions(join(directory, "again"), functionNames);
    for (const name of functionNames)
      expect(readFileSync(again[name].file).equals(readFileSync(bundles[name].file))).toBe(true);
  });

  it("leaves esbuild's account of it beside the folders, not in what is deployed", () => {
    expect(existsSync(join(directory, "functions.json"))).toBe(true);
    expect(readdirSync(join(directory, "functions")).sort()).toEqual([...functionNames].sort());
  });
});
