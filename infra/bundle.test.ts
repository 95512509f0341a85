import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Bundle, bundleFunctions, type FunctionName, functionNames } from "./bundle.ts";
import { needs } from "./grants.ts";

const root = join(import.meta.dirname, "..");
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

/** What few objects need, and is large: it is loaded when one does. */
const onDemand = [
  "@aws-sdk/client-eks",
  "@aws-sdk/client-sts",
  "@sigstore/",
  "cborg",
  "fast-xml-parser",
  "openpgp",
  "ssh2",
];

/** Rooms and folders that no function knows. */
const elsewhere = /^(infra|test|bench|lib\/cli|lib\/host|lib\/platform\/local|lib\/api\/schema)\//;

/** A store's key as code makes it: what it is of, then the cluster, a key that begins with it, or a digest. */
const keyOfStore = /`([a-z-]+)\/\$\{(?:(?:[a-z]+\.)?clusterId\}\/|artifactKey\()/g;
/** What is shared by those who ask the same of the same server, whatever the cluster. */
const keyOfShared = /sharedKey\([^)]*?"([a-z-]+)",/g;

describe("the bundle of a function", () => {
  it.each(functionNames)("%s: is a folder of modules, of 3 MB at most together", (name) => {
    const { directory: folder, bytes, startBytes } = bundles[name];
    const files = readdirSync(folder);
    expect(files).toContain("index.mjs");
    expect(files.filter((file) => !file.endsWith(".mjs"))).toEqual([]);
    expect(files.reduce((sum, file) => sum + statSync(join(folder, file)).size, 0)).toBe(bytes);
    expect(bytes).toBeLessThanOrEqual(3_000_000);
    expect(startBytes).toBeLessThan(bytes);
  });

  it.each(functionNames)("%s: carries nothing of the local host, the command line or the build", (name) => {
    const packages = packagesOf(Object.keys(bundles[name].inputs));
    expect(foreign.filter((other) => packages.has(other))).toEqual([]);
    expect(Object.keys(bundles[name].inputs).filter((path) => elsewhere.test(path))).toEqual([]);
  });

  it("carries the AWS SDK, since LocalStack's functions have none and the runtime's is older", () => {
    for (const name of functionNames) {
      expect(packagesOf(bundles[name].startInputs)).toContain("@aws-sdk/client-sqs");
      expect(textOf(bundles[name])).not.toMatch(/from"@(aws-sdk|smithy)\//);
    }
  });

  it.each(functionNames)("%s: loads, exports the handler, and starts without what it may never need", (name) => {
    const script = `
      const { handler } = await import(${JSON.stringify(bundles[name].file)});
      const loaded = process.moduleLoadList.filter((module) => /undici.undici|internal.http2/.test(module));
      console.log(JSON.stringify([typeof handler, loaded]));`;
    const { stdout, stderr } = spawnSync(process.execPath, ["--input-type=module", "--eval", script], {
      encoding: "utf8",
      env: { AWS_REGION: "us-east-1" },
    });
    expect([stdout.trim(), stderr]).toEqual(['["function",[]]', ""]);
  });

  it.each(functionNames)("%s: starts with less than a megabyte, and without what few objects need", (name) => {
    expect(bundles[name].startBytes).toBeLessThan(1_000_000);
    const loaded = [...packagesOf(bundles[name].startInputs)];
    expect(loaded.filter((path) => onDemand.some((large) => path.startsWith(large)))).toEqual([]);
  });

  it("carries for sources what few of them need", () => {
    const carried = packagesOf(Object.keys(bundles.source.inputs));
    for (const name of ["@aws-sdk/client-sts", "openpgp", "ssh2"]) expect(carried).toContain(name);
  });

  it.each(functionNames)("%s: may use the keys that its code makes", (name) => {
    const granted = Object.keys(needs[name].objects).map((prefix) => prefix.replace(/^(artifacts|records)\//, ""));
    const made = Object.keys(bundles[name].inputs)
      .filter((path) => path.startsWith("lib/"))
      .map((path) => readFileSync(join(root, path), "utf8"))
      .flatMap((text) => [...text.matchAll(keyOfStore), ...text.matchAll(keyOfShared)].map(([, prefix]) => prefix))
      // The schedule takes up webhooks by the code that receives them, but never asks whose path it is.
      .filter((prefix) => name !== "schedule" || prefix !== "receivers");
    const { objects } = needs[name];
    // An artifact of its own, which whoever may write all artifacts may write.
    if (objects.artifacts?.includes("Put") === true) granted.push("bucket-index");
    if (name === "source") expect(made).toEqual(expect.arrayContaining(["checks", "contents", "history", "latest"]));
    expect(granted).toEqual(expect.arrayContaining([...new Set(made)]));
  });

  it("is the same bytes for the same sources, wherever it is written", async () => {
    const again = await bundleFunctions(join(directory, "deeper", "again"), ["timers"]);
    expect(textOf(again.timers)).toBe(textOf(bundles.timers));
  });

  it("leaves OpenPGP.js as it is, in a file of its own", () => {
    const { directory: folder, inputs } = bundles.apply;
    const [origin = ""] = Object.keys(inputs).filter((path) => path.includes("/openpgp/"));
    expect(readFileSync(join(folder, "openpgp.min.mjs")).equals(readFileSync(join(root, origin)))).toBe(true);
    expect(Object.keys(inputs).filter((path) => path.includes("/openpgp/"))).toHaveLength(1);
  });

  it("leaves esbuild's account of it beside the folders, not in what is deployed", () => {
    expect(existsSync(join(directory, "functions.json"))).toBe(true);
    expect(readdirSync(join(directory, "functions")).sort()).toEqual([...functionNames].sort());
  });
});

function packagesOf(inputs: string[]): Set<string> {
  return new Set(inputs.flatMap((path) => /.*node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path)?.[1] ?? []));
}

/** All files of a bundle with their names, in order. */
function textOf({ directory: folder }: Bundle): string {
  const files = readdirSync(folder).sort();
  return files.map((file) => `${file}\n${readFileSync(join(folder, file), "utf8")}`).join("\n");
}
