import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { allowed } from "./allowed.ts";
import type { Case } from "./case.ts";
import { allCases } from "./cases/all-cases.ts";
import { play } from "./compare.ts";
import { type Condensed, condense } from "./condense.ts";
import { sourceWatcherVariable } from "./controllers.ts";
import { startSides } from "./sides.ts";
import { startWorld } from "./world.ts";

/**
 * `npm run compare -- [--case words]`: plays the cases to Flux's own controllers and to Sluice, and tells what differs. README.md beside
 * this file says more. Ends with 1 where there is a difference that is not meant.
 */
const { values } = parseArgs({
  options: { case: { type: "string", default: "" }, show: { type: "string" } },
});
const atOnce = 5;

const directory = await mkdtemp(join(tmpdir(), "sluice-compare-"));
const log = (line: string): void => console.error(line);
const world = await startWorld(directory, log);
const sides = await startSides(directory, log);
let [objects, looks, unmeant] = [0, 0, 0];
const meant = new Map<string, number>();

async function compareOne(one: Case): Promise<void> {
  const started = Date.now();
  const { differences, ...counts } = await play(sides.both, one.name, (stage) => one.play(stage, world), {
    log,
    shown,
  });
  objects += counts.objects;
  looks += counts.looks;
  const left = differences.filter((difference) => {
    const found = allowed.find((candidate) => candidate.is(difference, one.name, differences));
    if (found !== undefined) meant.set(found.why, (meant.get(found.why) ?? 0) + 1);
    return found === undefined;
  });
  unmeant += left.length;
  console.log(
    `${left.length === 0 ? "same" : "OTHER"}  ${one.name}: ${counts.objects} objects, ${counts.looks} looks, ${Math.round((Date.now() - started) / 1000)} s`,
  );
  for (const condensed of condense(left)) print(condensed);
}

/** What both say at places with the words that `--show` has, the same or not. */
function shown(place: string, flux = "-", sluice = "-"): void {
  if (values.show !== undefined && place.includes(values.show))
    console.log(`    ${place}\n      flux:   ${flux}\n      sluice: ${sluice}`);
}

function print({ object, places, flux, sluice }: Condensed): void {
  const more = places.length > 3 ? `, and ${places.length - 3} more` : "";
  console.log(`    ${object}: ${places.slice(0, 3).join(", ")}${more}`);
  console.log(`      flux:   ${flux ?? "-"}\n      sluice: ${sluice ?? "-"}`);
}

try {
  const hasWatcher = process.env[sourceWatcherVariable] !== undefined;
  if (!hasWatcher)
    console.log(`no ArtifactGenerator is compared: ${sourceWatcherVariable} names no checkout of source-watcher`);
  const waiting = allCases.filter(
    ({ name, needsWatcher }) => name.includes(values.case) && (hasWatcher || needsWatcher !== true),
  );
  const workers = Array.from({ length: atOnce }, async () => {
    for (let one = waiting.shift(); one !== undefined; one = waiting.shift()) await compareOne(one);
  });
  await Promise.all(workers);
  for (const [why, count] of meant) console.log(`meant: ${count} × ${why}`);
  console.log(`${objects} objects in ${looks} looks: ${unmeant} differences`);
  process.exitCode = unmeant === 0 ? 0 : 1;
} finally {
  await sides.stop();
  await world.stop();
  await rm(directory, { recursive: true, force: true });
}
