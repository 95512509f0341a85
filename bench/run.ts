import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { onAws } from "./aws.ts";
import { benchBucket } from "./bucket.ts";
import { benchBundles } from "./bundles.ts";
import { benchChain } from "./chain.ts";
import { benchDue } from "./due.ts";
import { benchFetch } from "./fetch.ts";
import { type Figure, printFigures } from "./figures.ts";
import { benchIndex } from "./helm-index.ts";
import { benchMany, folders, prefixed, type Shape, substituted } from "./many.ts";
import { type MeasuredSluice, startMeasuredSluice } from "./measured-sluice.ts";
import { benchPush } from "./push.ts";
import { benchRequests } from "./requests.ts";
import { benchUnhealthy } from "./unhealthy.ts";

/** What can be measured, by name. Each starts from a control plane and a Sluice that are empty, so that no figure depends on another. */
const benches: Record<string, { title: string; run: () => Promise<Figure[]> }> = {
  push: {
    title: "Push to applied, local platform, 30 pushes by webhook",
    run: () => onSluice((sluice) => benchPush(sluice, { p50: 0.2, p99: 0.5 })),
  },
  "push-aws": {
    title: "Push to applied, the deployed stack on LocalStack, 30 pushes by webhook",
    run: () => onAws((sluice) => benchPush(sluice, { p50: 0.8, p99: 2.5 })),
  },
  chain: { title: "Dependencies", run: () => onSluice(benchChain) },
  requests: { title: "API requests", run: () => onSluice(benchRequests) },
  // A fifth of what Flux's own controllers take at their best setting, where that was measured.
  "many-100": many(100, folders, 2.6),
  "many-100-prefixed": many(100, prefixed, 2.6),
  "many-100-substituted": many(100, substituted, 2.6),
  "many-500": many(500, folders, 13.6),
  "many-500-prefixed": many(500, prefixed, 13.6),
  "many-500-substituted": many(500, substituted, 13.6),
  "many-1000": many(1000, folders),
  "many-1000-substituted": many(1000, substituted),
  unhealthy: {
    title: "A push beside 200 Kustomizations that never become healthy",
    run: () => onSluice((sluice) => onSluice((quiet) => benchUnhealthy(sluice, quiet, 200))),
  },
  due: {
    title: "500 GitRepositories that are due in the same minute",
    run: () => onSluice((sluice) => benchDue(sluice, 500)),
  },
  fetch: { title: "Fetch of a large repository", run: benchFetch },
  index: { title: "A repository's index", run: benchIndex },
  bucket: { title: "A bucket of 10,000 objects", run: benchBucket },
  bundles: { title: "Bundles", run: benchBundles },
};

function many(count: number, shape: Shape, atMost?: number) {
  const run = () => onSluice((sluice) => benchMany(sluice, count, shape, atMost));
  return { title: `One push, ${count} applications`, run };
}

async function onSluice(run: (sluice: MeasuredSluice) => Promise<Figure[]>): Promise<Figure[]> {
  const sluice = await startMeasuredSluice();
  try {
    return await run(sluice);
  } finally {
    await sluice.stop();
  }
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { help: { type: "boolean", short: "h" }, output: { type: "string" } },
});
const wanted = positionals.length === 0 ? Object.keys(benches) : positionals;
const unknown = wanted.filter((name) => !Object.hasOwn(benches, name));
if (values.help === true || unknown.length > 0) {
  if (unknown.length > 0) console.error(`there is no bench named ${unknown.join(", ")}`);
  console.log(`usage: npm run bench [-- NAME ... --output FILE]\n\nnames: ${Object.keys(benches).join(", ")}`);
  process.exit(unknown.length > 0 ? 2 : 0);
}

const results: Record<string, Figure[]> = {};
for (const name of wanted) {
  const bench = benches[name];
  if (bench === undefined) continue;
  console.error(`bench: ${name} ...`);
  const figures = await bench.run();
  results[name] = figures;
  printFigures(bench.title, figures);
}
const output = values.output ?? join(import.meta.dirname, "results.json");
await writeFile(output, `${JSON.stringify(results, undefined, 2)}\n`);
console.log(`\nwritten to ${output}`);
