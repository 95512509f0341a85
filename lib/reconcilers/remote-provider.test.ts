import { describe, expect, it } from "vitest";
import { canonicalAddress } from "./remote-provider.ts";

describe("canonicalAddress", () => {
  it.each([
    ["https://API.Example.com", "https://api.example.com:443"],
    ["api.example.com", "https://api.example.com:443"],
    ["API.example.com:6443", "https://api.example.com:6443"],
    ["httpd.example.com:6443", "https://httpd.example.com:6443"],
    ["34.1.2.3", "https://34.1.2.3:443"],
    ["https://[FD00::1]:6443/", "https://[fd00::1]:6443"],
    ["https://me:secret@api.example.com/path?query", "https://api.example.com:443"],
  ])("KS-213: %s is %s", (address, canonical) => {
    expect(canonicalAddress(address)).toBe(canonical);
  });

  it("KS-213: is https and nothing else", () => {
    const message = "the Kubernetes API server address 'http://api.example.com' must use https scheme";
    expect(() => canonicalAddress("http://api.example.com")).toThrow(message);
    expect(() => canonicalAddress("https://")).toThrow("failed to parse Kubernetes API server address 'https://'");
    expect(() => canonicalAddress("")).toThrow("failed to parse");
  });
});
