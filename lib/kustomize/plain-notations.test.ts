import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { object } from "./testdata/applications.ts";
import { artifactOf } from "./testdata/artifact-of.ts";
import { renderWith, renderWithout } from "./testdata/both-renders.ts";
import { alter, randomFrom, write } from "./testdata/notations.ts";

/** The same manifests in every run, so that a failure is one of a change; `SLUICE_SEED` tries others. */
const seedOfRun = Number(process.env.SLUICE_SEED ?? 20_261_125);

/** Manifests in one directory; each is read as if it were alone, for none has another's name. */
async function differences(texts: readonly string[]): Promise<string[]> {
  if (texts.length === 0) return [];
  const artifact = artifactOf(Object.fromEntries(texts.map((text, index) => [`${index}.yaml`, text])));
  const ours = renderWithout(artifact, {});
  const theirs = await renderWith(artifact, {});
  if ("yaml" in ours && "output" in theirs && ours.yaml === theirs.output) return [];
  if (texts.length === 1) return [`${JSON.stringify(texts)}: ${JSON.stringify(ours)}, not ${JSON.stringify(theirs)}`];
  const half = texts.length >> 1;
  return [...(await differences(texts.slice(0, half))), ...(await differences(texts.slice(half)))];
}

function isCertain(text: string): boolean {
  return "yaml" in renderWithout(artifactOf({ "a.yaml": text }), {});
}

/** Manifests of many kinds, each with a name of its own, in any notation, with as many alterations as are asked for. */
function manifests(seed: number, count: number, alterations: number): string[] {
  const random = randomFrom(seed);
  return fc.sample(object, { seed, numRuns: count }).map((each, index) => {
    const text = write({ ...each, metadata: { name: `m${index}`, labels: { app: "x" } } }, random);
    return Array.from({ length: alterations }).reduce<string>((altered) => alter(altered, random), text);
  });
}

describe("any notation without kustomize", { timeout: 180_000 }, () => {
  it("KS-051, SN-04: thousands of manifests of many kinds become what they become with kustomize", async () => {
    const seed = seedOfRun;
    let certain = 0;
    for (let part = 0; part < 30; part += 1) {
      const texts = manifests(seed + part, 100, 0).filter(isCertain);
      certain += texts.length;
      expect(await differences(texts), `seed ${seed}`).toEqual([]);
    }
    expect(certain).toBeGreaterThan(2_000);
  });

  it("KS-052, SN-04: what is written differently, oddly or wrongly is the same or left to kustomize", async () => {
    const seed = seedOfRun;
    let certain = 0;
    for (let part = 0; part < 30; part += 1) {
      const texts = keepNames(manifests(seed + part, 100, 1 + (part % 3)).filter(isCertain));
      certain += texts.length;
      expect(await differences(texts), `seed ${seed}`).toEqual([]);
    }
    expect(certain).toBeGreaterThan(600);
  });
});

/** An alteration may give two manifests one name. */
function keepNames(texts: readonly string[]): string[] {
  const known = new Set<string>();
  return texts.filter((text) => {
    const rendered = renderWithout(artifactOf({ "a.yaml": text }), {});
    const names = "objects" in rendered ? rendered.objects.map(({ metadata }) => metadata.name) : [];
    if (names.some((name) => known.has(name))) return false;
    for (const name of names) known.add(name);
    return true;
  });
}
