import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { application } from "./testdata/applications.ts";
import { artifactOf } from "./testdata/artifact-of.ts";
import { renderWith, renderWithout } from "./testdata/both-renders.ts";

describe("names, namespaces and images without kustomize", { timeout: 180_000 }, () => {
  it("KS-055, SN-04: what refers to renamed and moved objects follows, and images are replaced, as with kustomize", async () => {
    const seed = Date.now();
    let certain = 0;
    let objects = 0;
    for (const [index, files] of fc.sample(application, { seed, numRuns: 80 }).entries()) {
      const ours = renderWithout(artifactOf(files), {});
      if ("doubt" in ours) continue;
      certain += 1;
      objects += ours.objects.length;
      const theirs = await renderWith(artifactOf(files), {});
      if (!("output" in theirs) || theirs.output !== ours.yaml)
        expect({ output: ours.yaml }, `seed ${seed}, sample ${index}: ${JSON.stringify(files)}`).toEqual(theirs);
    }
    expect(certain).toBeGreaterThan(20);
    expect(objects).toBeGreaterThan(150);
  });
});
