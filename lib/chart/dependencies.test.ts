import { describe, expect, it } from "vitest";
import { chartLimits } from "./archive.ts";
import { missingDependencies, normalizedUrl } from "./dependencies.ts";
import { loadFiles } from "./load.ts";

const file = (name: string, text: string) => ({ name, content: Buffer.from(text) });
const metadata = "apiVersion: v2\nname: app\nversion: 1.0.0\n";

describe("dependencies", () => {
  it("HC-027: compares addresses by one slash at their end", () => {
    for (const [url, normalized] of [
      ["https://example.com", "https://example.com/"],
      ["https://example.com///", "https://example.com/"],
      ["https://example.com/a%2Fb//?x=1", "https://example.com/a%2Fb/?x=1"],
      ["oci://example.com/charts//", "oci://example.com/charts"],
      ["@alias", "@alias/"],
      ["", ""],
    ] as const)
      expect(normalizedUrl(url)).toBe(normalized);
    expect(() => normalizedUrl("https://user:secret@[x?y")).toThrow('parse "https://[x": invalid URL');
    expect(() => normalizedUrl(`https://x/${"/".repeat(1_000_000)}`)).toThrow("invalid URL");
  });

  it("HC-026, HC-028: takes the lock file's, and nothing where there are as many charts as are required", async () => {
    const dependencies =
      "dependencies: [{name: a, version: 1, repository: ''}, {name: b, alias: c, version: 1.10, repository: ''}]\n";
    const own = file("Chart.yaml", metadata + dependencies);
    const keys = async (...files: ReturnType<typeof file>[]) => [
      ...missingDependencies(await loadFiles([own, ...files], chartLimits)).keys(),
    ];
    expect(await keys()).toEqual(["a", "c"]);
    expect(await keys(file("Chart.lock", "dependencies: [{name: x, version: 1.0.0}]\n"))).toEqual(["x"]);
    const vendored = (name: string) => file(`charts/${name}/Chart.yaml`, `name: ${name}\nversion: 1.0.0\n`);
    expect(await keys(vendored("a"))).toEqual(["c"]);
    expect(await keys(vendored("c"), vendored("other"))).toEqual([]);
    expect(await keys(file("charts/_x/Chart.yaml", "?"), file("charts/.y", "x"))).toEqual(["a", "c"]);
    await expect(keys(file("charts/README.md", "x"))).rejects.toThrow(
      "error unpacking subchart README.md in app: Chart.yaml file is missing",
    );
  });

  it("HC-015, HC-026: refuses metadata as helm does", async () => {
    for (const [text, words] of [
      ["name: a\n", "validation: chart.metadata.version is required"],
      ["version: 1.0.0\n", "validation: chart.metadata.name is required"],
      ["name: a/b\nversion: 1.0.0\n", 'validation: chart.metadata.name "a/b" is invalid'],
      ["name: ..\nversion: 1.0.0\n", 'validation: chart.metadata.name ".." is not allowed'],
      ["name: a\nversion: 1.x\n", 'validation: chart.metadata.version "1.x" is invalid'],
      [`${metadata}type: other\n`, "validation: chart.metadata.type must be application or library"],
      [
        `${metadata}dependencies: [{name: a}, {name: a}]\n`,
        'validation: more than one dependency with name or alias "a"',
      ],
      [`${metadata}dependencies: [{name: a, alias: "../x"}]\n`, "has disallowed characters in the alias"],
      [`${metadata}maintainers: [null]\n`, "validation: maintainers must not contain empty or null nodes"],
      [`${metadata}keywords: {a: b}\n`, "cannot load Chart.yaml: keywords has to be a list"],
      ["- x\n", "cannot load Chart.yaml: the file has to be a map"],
    ] as const)
      await expect(loadFiles([file("Chart.yaml", text)], chartLimits), text).rejects.toThrow(words);
    await expect(loadFiles([file("values.yaml", "")], chartLimits)).rejects.toThrow("Chart.yaml file is missing");
    const { metadata: read } = await loadFiles(
      [file("Chart.yaml", `${metadata}appVersion: 1.10\nunknown: x\n`)],
      chartLimits,
    );
    expect(read).toMatchObject({ name: "app", appVersion: "1.1" });
  });
});
