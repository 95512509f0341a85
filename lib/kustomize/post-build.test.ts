// biome-ignore-all lint/suspicious/noTemplateCurlyInString: these texts are what is tested
import { describe, expect, it } from "vitest";
import { build } from "./build.ts";
import { artifactOf, configMap } from "./testdata/artifact-of.ts";

async function dataOf(data: Record<string, string>, variables: Record<string, string>): Promise<unknown> {
  const artifact = artifactOf({ "kustomization.yaml": { resources: ["a.yaml"] }, "a.yaml": configMap("a", data) });
  const substitution = { variables: new Map(Object.entries(variables)), strict: true, always: false };
  const { objects } = await build(artifact, {}, { postBuild: { substitution } });
  return objects[0]?.data;
}

describe("what kustomize has printed", () => {
  it("SN-06, KS-117: variables stand without the quotes of the source, and texts that need quotes keep theirs", async () => {
    const data = { port: "${PORT}", quoted: "8080", word: "on", at: "@${PORT}", both: "${PORT}: ${PORT}" };
    expect(await dataOf(data, { PORT: "8080" })).toEqual({
      port: 8080,
      quoted: "8080",
      word: "on",
      at: "@8080",
      both: "8080: 8080",
    });
  });

  it("SN-06: a long line is folded as it was printed, within an expression too", async () => {
    const words = "word ".repeat(15);
    const data = { folded: `${words}\${u:-a default of several words that is longer than a line has room for} end` };
    expect(await dataOf(data, { x: "1" })).toEqual({
      folded: `${words}a default of several words that is longer than a line has room for end`,
    });
    const value = `${words}\${x} ${words}`.trim();
    expect(await dataOf({ value }, { x: "a-b c" })).toEqual({ value: value.replace("${x}", "a-b c") });
  });

  it("SN-06, KS-111: a block of lines keeps its lines", async () => {
    expect(await dataOf({ script: "echo ${x}\necho $${y}\n\n  $(z) $$\n" }, { x: "1" })).toEqual({
      script: "echo 1\necho ${y}\n\n  $(z) $\n",
    });
  });
});
