import { describe, expect, it } from "vitest";
import { createStartConsole, stepLine } from "./start-console.ts";

describe("what sluice start prints", () => {
  it("pretty: a step is a line in columns, and nobody's commit message steers the terminal", () => {
    const time = new Date(2026, 0, 1, 9, 5, 7, 42);
    const step = {
      step: "applied",
      object: "Kustomization/flux-system/sample",
      detail: "a\n\u001b[2Jb",
      seconds: 0.213,
    } as const;
    expect(stepLine(time, step)).toBe("09:05:07.042  applied  Kustomization/flux-system/sample       +0.21 s  a  [2Jb");
  });

  it("json: every line is an object", () => {
    const lines: string[] = [];
    const console = createStartConsole("json", (line) => lines.push(line));
    console.say("\nhello\n");
    console.step({ step: "fetched", object: "GitRepository/a/b", detail: "main@1", seconds: 0.5 });
    console.result(false, [{ object: "GitRepository/a/b", state: "Failed", message: "no such host" }]);
    expect(lines.map((line) => JSON.parse(line))).toMatchObject([
      { level: "info", message: "hello" },
      { message: "fetched", object: "GitRepository/a/b", detail: "main@1", seconds: 0.5 },
      { message: "not everything is ready", objects: [{ state: "Failed", message: "no such host" }] },
    ]);
  });
});
