import { describe, expect, it } from "vitest";
import { createLocalLogger } from "./log.ts";

function lines(format: "json" | "pretty") {
  const written: string[] = [];
  return { written, log: createLocalLogger({ format, write: (line) => written.push(line) }) };
}

describe("the local log", () => {
  it("JSON: one object a line, with the fields of its children, and of an error its message alone", () => {
    const { written, log } = lines("json");
    log
      .child({ kind: "Kustomization" })
      .child({ name: "app" })
      .warn("slow", { error: new Error("no answer"), n: 3n });
    log.debug("dropped");
    expect(written.map((line) => JSON.parse(line))).toEqual([
      {
        time: expect.any(String),
        level: "warn",
        message: "slow",
        kind: "Kustomization",
        name: "app",
        error: "no answer",
        n: "3",
      },
    ]);
  });

  it("pretty: object and fields follow the message, and nobody's text makes a second line or steers the terminal", () => {
    const { written, log } = lines("pretty");
    log.error("bad\n\u001b[2Jinput", { kind: "Kustomization", namespace: "a", name: "b", reason: "x\ny" });
    expect(written).toHaveLength(1);
    expect(written[0]).toMatch(/^\d\d:\d\d:\d\d\.\d{3} error bad {2}\[2Jinput Kustomization\/a\/b reason=x y$/);
  });
});
