import { afterEach, describe, expect, it, vi } from "vitest";
import { createLogger } from "./log.ts";

describe("the log of a function", () => {
  afterEach(() => {
    vi.restoreAllMocks();
    vi.unstubAllEnvs();
  });

  function lines(write: () => void): Record<string, unknown>[] {
    // Under this variable Powertools writes to the console that everybody sees.
    const written: string[] = [];
    for (const method of ["debug", "info", "warn", "error"] as const) {
      vi.spyOn(console, method).mockImplementation((line: string) => void written.push(line));
    }
    vi.stubEnv("POWERTOOLS_DEV", "true");
    write();
    return written.map((line) => JSON.parse(line));
  }

  it("a line is JSON with the message, the fields, and those of every logger above", () => {
    const [first, second, ...rest] = lines(() => {
      const log = createLogger();
      const child = log.child({ cluster: "one" }).child({ object: "ns/app" });
      child.info("applied", { changed: 3 });
      log.warn("alone");
      log.debug("not at this level");
    });
    expect(first).toMatchObject({ level: "INFO", message: "applied", cluster: "one", object: "ns/app", changed: 3 });
    expect(second).toMatchObject({ level: "WARN", message: "alone" });
    expect(second).not.toHaveProperty("cluster");
    expect(rest).toEqual([]);
  });

  it("no field is lost to a name that the format needs", () => {
    const [line] = lines(() => createLogger().error("failed", { message: "m", level: "l", error: "e" }));
    expect(line).toMatchObject({ level: "ERROR", message: "failed", message_: "m", level_: "l", error: "e" });
  });
});
