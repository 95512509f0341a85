import { describe, expect, it } from "vitest";
import { urlProblem } from "./url-problem.ts";

describe("a URL that cannot be parsed", () => {
  it.each([
    ["https://[::1", `parse "https://[::1": missing ']' in host`],
    ["https://host:port/a", `parse "https://host:port/a": invalid port ":port" after host`],
    ["https://", `parse "https://": invalid URL`],
  ])("GIT-002, HR-001: %s is told of as Go does", (url, words) => {
    expect(urlProblem(url)).toBe(words);
  });
});
