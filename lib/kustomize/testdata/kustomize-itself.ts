import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { text } from "node:stream/consumers";
import type { KubernetesObject } from "../../api/object.ts";
import { kustomizeBinary } from "../binary.ts";
import { readObjects } from "../rendered-objects.ts";

/** What kustomize prints by itself, or the text of its error. Paths of the directory are left out of it. */
export type Printed = { yaml: string; objects: KubernetesObject[] } | { error: string };

/**
 * Runs kustomize on files without Sluice: with the programs of this machine, git among them, and without load restrictions, as
 * Flux runs it. `environment` adds to the few variables that it needs.
 */
export async function kustomizeItself(
  files: Record<string, string | object>,
  path = ".",
  environment: Record<string, string> = {},
): Promise<Printed> {
  const directory = await mkdtemp(join(tmpdir(), "sluice-oracle-"));
  try {
    for (const [name, content] of Object.entries(files)) {
      await mkdir(dirname(join(directory, name)), { recursive: true });
      await writeFile(join(directory, name), typeof content === "string" ? content : JSON.stringify(content));
    }
    const args = ["kustomize", path, "--load-restrictor", "LoadRestrictionsNone", "--reorder", "none"];
    const { PATH = "" } = process.env;
    const own = { PATH, HOME: directory, TMPDIR: directory, GIT_CONFIG_GLOBAL: "/dev/null", GIT_TERMINAL_PROMPT: "0" };
    const child = spawn(await kustomizeBinary(), args, { cwd: directory, env: { ...own, ...environment } });
    const [output, error, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, "close")]);
    if (code === 0) return { yaml: output, objects: readObjects(output) };
    return {
      error: error
        .slice(Math.max(error.indexOf("error: "), 0))
        .replaceAll(`${directory}/`, "")
        .trim(),
    };
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}
