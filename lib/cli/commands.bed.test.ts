import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { bedCluster } from "../../test/bed/bed.ts";
import { connectTo } from "../../test/bed/installed.ts";
import { customResourceDefinition } from "../api/install/crd.ts";
import { definitions } from "../api/schema/kinds.ts";
import { getObject } from "../cluster/objects.ts";
import { parseYamlDocuments } from "../text/yaml.ts";

const program = fileURLToPath(new URL("sluice.ts", import.meta.url));

let directory: string;
let named: string[];

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "sluice-commands-"));
  named = ["--kubeconfig", (await bedCluster()).kubeconfigPath, "--context", "sluice"];
});

afterAll(() => rm(directory, { recursive: true, force: true }));

/** Runs the command line as a user would; nothing of the test's own environment may matter. */
function sluice(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    const options = { maxBuffer: 16 * 1024 * 1024, env: { HOME: directory, NO_COLOR: "1" } };
    const child = execFile(process.execPath, [program, ...args], options, (_error, stdout, stderr) =>
      resolve({ code: child.exitCode ?? -1, stdout, stderr }),
    );
  });
}

describe("the command line", () => {
  it("BS-051: sluice crds prints what a repository may hold: the definitions, without the marks of a cluster", async () => {
    const { code, stdout } = await sluice("crds");
    expect(code).toBe(0);
    expect(parseYamlDocuments(stdout)).toEqual(definitions.map(customResourceDefinition));
    expect(stdout).not.toContain("managed-by");
    expect(stdout).not.toContain("kustomize.toolkit.fluxcd.io/reconcile");
  });

  it("BS-050: sluice install prepares a named cluster, says what it did, and may run again", async () => {
    for (const run of [1, 2]) {
      const { code, stdout, stderr } = await sluice("install", ...named);
      expect(stderr).toBe("");
      expect(code).toBe(0);
      const lines = stdout.trim().split("\n");
      for (const title of [
        "CustomResourceDefinition/kustomizations.kustomize.toolkit.fluxcd.io",
        "Deployment/kustomize-controller",
      ])
        expect(lines).toContainEqual(
          expect.stringMatching(run === 1 ? `^${title} (applied|unchanged)$` : `^${title} unchanged$`),
        );
      expect(lines.at(-1)).toBe("No admission webhook: without --endpoint changes are found within a minute.");
    }
    const client = connectTo(await bedCluster());
    const namespace = { apiVersion: "v1", kind: "Namespace", name: "flux-system" };
    expect((await getObject(client, namespace)).metadata.managedFields).toEqual(
      expect.arrayContaining([expect.objectContaining({ manager: "sluice", operation: "Apply" })]),
    );
  });

  it("a command that lacks something says what, in a sentence, and does nothing", async () => {
    const [, kubeconfig = ""] = named;
    const seed = join(directory, "seed");
    await writeFile(seed, "short");
    const refused: [args: string[], sentence: RegExp][] = [
      [["--kubeconfig", join(directory, "none"), "--context", "a"], /cannot be read: ENOENT/],
      [["--kubeconfig", kubeconfig, "--context", "other"], /has no context 'other': it has 'sluice'/],
      [["--kubeconfig", kubeconfig], /Missing required argument: --context/],
      [[...named, "--endpoint", "http://a"], /--endpoint must be an https address, and is "http:\/\/a"/],
      [[...named, "--endpoint", "https://a"], /--endpoint needs --admission-seed FILE/],
      [[...named, "--ca-file", seed], /name it by --endpoint URL/],
    ];
    for (const [args, sentence] of refused) {
      const { code, stdout, stderr } = await sluice("install", ...args);
      expect(stderr).toMatch(sentence);
      expect(stderr).not.toMatch(/\n {4}at /);
      expect(stdout).not.toContain("applied");
      expect(code).toBe(1);
    }
  });

  it("every command explains itself", async () => {
    for (const command of ["start", "install", "uninstall", "why", "crds"]) {
      const { code, stdout } = await sluice(command, "--help");
      expect(code).toBe(0);
      expect(stdout).toContain(`USAGE sluice ${command}`);
    }
    expect((await sluice("--help")).stdout).toContain("USAGE sluice start|install|uninstall|why|crds");
  });
});
