import { spawnSync } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bundleFunctions, functionNames } from "../infra/bundle.ts";
import { type Figure, percentile } from "./figures.ts";

const runs = 10;

/** Size of each function's bundle, and how long a fresh process takes to import it, less what an empty module takes. */
export async function benchBundles(): Promise<Figure[]> {
  const directory = await mkdtemp(join(tmpdir(), "sluice-bundles-"));
  try {
    const bundles = await bundleFunctions(join(directory, "functions"), functionNames);
    const empty = importMilliseconds("data:text/javascript,export{}");
    return functionNames.flatMap((name) => [
      { name: `${name}: bundle`, value: bundles[name].bytes / 1e6, unit: "MB", atMost: 3 },
      {
        name: `${name}: cold import`,
        value: importMilliseconds(bundles[name].file) - empty,
        unit: "ms",
        atMost: 160,
      },
    ]);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** The median over fresh processes of the time that `import()` of a module takes, in milliseconds. */
function importMilliseconds(specifier: string): number {
  const script = `const start = performance.now(); await import(process.argv[1]); console.log(performance.now() - start); process.exit(0);`;
  const env = {
    AWS_REGION: "us-east-1",
    AWS_ACCESS_KEY_ID: "bench",
    AWS_SECRET_ACCESS_KEY: "bench",
    SLUICE_BUCKET: "bench",
    SLUICE_QUEUE_SOURCE: "https://queue.invalid/1/source.fifo",
    SLUICE_QUEUE_APPLY: "https://queue.invalid/1/apply.fifo",
    SLUICE_QUEUE_NOTIFICATION: "https://queue.invalid/1/notification",
    SLUICE_QUEUE_DELAY: "https://queue.invalid/1/delay",
    SLUICE_ENDPOINT: "https://front.invalid",
    SLUICE_CLUSTERS: "[]",
    SLUICE_SECRET_PREFIX: "bench/",
  };
  const times = [...Array(runs).keys()].map(() => {
    const child = spawnSync(process.execPath, ["--input-type=module", "--eval", script, specifier], {
      encoding: "utf8",
      env,
    });
    if (child.status !== 0) throw new Error(`importing ${specifier} failed:\n${child.stderr}`);
    return Number(child.stdout.trim());
  });
  return percentile(times, 0.5);
}
