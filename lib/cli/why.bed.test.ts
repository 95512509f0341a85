import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { conditionOf, openWorkspace, type Workspace } from "../../test/bed/workspace.ts";
import { freePort } from "../host/free-port.ts";

const program = fileURLToPath(new URL("sluice.ts", import.meta.url));

let workspace: Workspace;

beforeAll(async () => {
  workspace = await openWorkspace("why");
});

afterAll(() => workspace.close());

/** Runs `sluice why` as a user would. */
function why(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const cluster = ["--kubeconfig", workspace.sluice.cluster.kubeconfigPath, "--context", "sluice"];
  return new Promise((resolve) => {
    const child = execFile(
      process.execPath,
      [program, "why", ...args, ...cluster],
      { env: { NO_COLOR: "1" } },
      (_error, stdout, stderr) => resolve({ code: child.exitCode ?? -1, stdout, stderr }),
    );
  });
}

describe("sluice why", () => {
  it("SB-010: one command tells cause, failed step and next attempt of a source, and of what is made of it", async () => {
    const { namespace } = workspace;
    await workspace.gitRepository("source", `http://127.0.0.1:${await freePort()}/fleet.git`);
    await workspace.kustomization("apps");
    const isFailed = (object: Parameters<typeof conditionOf>[0]) => conditionOf(object, "Ready")?.status === "False";
    const failed = await workspace.until("GitRepository", "source", ({ status }) => isFailed(status));
    await workspace.until("Kustomization", "apps", ({ status }) => conditionOf(status, "Ready") !== undefined);

    const { code, stdout, stderr } = await why("gitrepo/source", "-n", namespace);
    expect(stderr).toBe("");
    expect(code).toBe(0);
    const { reason, message } = conditionOf(failed.status, "Ready") ?? {};
    expect(stdout).toContain(`GitRepository/source in ${namespace} is not ready: ${reason}\n  ${message}\n`);
    expect(stdout).toMatch(/^ {2}failed: +at the step fetch, after [0-9.]+(ms|s)$/m);
    expect(stdout).toMatch(/^ {2}next: +attempt \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ \((in \d+s|\d+s ago)\)$/m);
    expect(stdout).toMatch(/^ {2}owner: +Sluice does the work of source-controller here$/m);
    expect(stdout).toMatch(new RegExp(`^ {4}\\S+ \\(\\d+s ago\\) ${reason}: `, "m"));

    const user = await why("ks/apps", "--namespace", namespace);
    expect(user.stdout).toMatch(
      new RegExp(`^ {2}needs: +GitRepository/source in ${namespace}, which is not ready: ${reason}$`, "m"),
    );

    const { metadata } = (await workspace.events("GitRepository", "source")).at(-1) ?? {};
    expect(metadata?.annotations).toMatchObject({ "sluice.dev/step": "fetch" });
  });

  it("what there is not is told in a sentence", async () => {
    const { code, stderr } = await why("gitrepo/none", "-n", workspace.namespace);
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: `sluice: there is no GitRepository 'none' in the namespace '${workspace.namespace}'\n`,
    });
    expect((await why("gitrepo/none", "more", "-n", workspace.namespace)).stderr).toContain(
      "'more' belongs to no flag",
    );
  });
});
