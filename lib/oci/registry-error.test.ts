import { describe, expect, it } from "vitest";
import { orasWords, RegistryError } from "./registry-error.ts";

const address = "http://registry.test/v2/charts/app/tags/list";
const refused = (status: number, errors: { code: string; words: string; detail: string }[]) =>
  orasWords(new RegistryError(status, [], "other words", { refused: { method: "GET", address, errors } }));

describe("what a registry of charts refuses", () => {
  it("HC-013, HC-017: is told as oras-go does, which Helm has", () => {
    const told = `GET "${address}": response status code`;
    const detail = "map[name:charts/app]";
    expect(refused(404, [{ code: "NAME_UNKNOWN", words: "repository name not known to registry", detail }])).toBe(
      `${told} 404: name unknown: repository name not known to registry: ${detail}`,
    );
    const denied = { code: "DENIED", words: "", detail: "" };
    const unauthorized = { code: "UNAUTHORIZED", words: "authentication required", detail: "" };
    expect(refused(401, [unauthorized, denied])).toBe(`${told} 401: unauthorized: authentication required; denied`);
    expect(refused(503, [])).toBe(`${told} 503: Service Unavailable`);
    expect(orasWords(new RegistryError(0, [], "connection refused"))).toBe("connection refused");
  });
});
