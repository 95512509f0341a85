import { describe, expect, it } from "vitest";
import { oidText, readDer } from "./der.ts";

describe("DER", () => {
  it("identifiers have their dotted form", () => {
    expect(oidText(Buffer.from("2a864886f70d01010b", "hex"))).toBe("1.2.840.113549.1.1.11");
    expect(oidText(Buffer.of(0x69, 0x81, 0x00))).toBe("2.25.128");
  });

  it("an identifier without an end, as a list of revoked certificates may have, takes no time", () => {
    const endless = Buffer.alloc(1024 * 1024, 0x80);
    const started = performance.now();
    expect(() => oidText(endless)).toThrow("malformed DER");
    expect(performance.now() - started).toBeLessThan(100);
    expect(() => readDer(Buffer.of(0x30, 0x84, 0xff, 0xff, 0xff, 0xff))).toThrow("malformed DER");
  });
});
