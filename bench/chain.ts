import { configMap, openWorkspace } from "../test/bed/workspace.ts";
import type { Figure } from "./figures.ts";
import type { MeasuredSluice } from "./measured-sluice.ts";

const links = 10;

/** A chain of Kustomizations, each of which depends on the one before: from the creation of all to the last one's Ready. */
export async function benchChain(sluice: MeasuredSluice): Promise<Figure[]> {
  const workspace = await openWorkspace("bench-chain", { sluice });
  const files = Object.fromEntries(
    [...Array(links).keys()].map((index) => [`${index}/object.yaml`, configMap(`link-${index}`, {})]),
  );
  const repository = await workspace.repository(files);
  await workspace.gitRepository("source", repository.url);
  await workspace.untilReady("GitRepository", "source");
  const start = performance.now();
  await Promise.all(
    [...Array(links).keys()].map((index) =>
      workspace.kustomization(`link-${index}`, {
        path: `./${index}`,
        dependsOn: index === 0 ? [] : [{ name: `link-${index - 1}` }],
      }),
    ),
  );
  await workspace.untilReady("Kustomization", `link-${links - 1}`, 300);
  const seconds = (performance.now() - start) / 1000;
  await workspace.close();
  return [{ name: "chain of ten dependsOn, from creation to the last Ready", value: seconds, unit: "s", atMost: 4 }];
}
