import { describe, expect, it } from "vitest";
import type { ApplyEntry } from "./apply.ts";
import { formatDroppedFields } from "./dropped-fields.ts";

const entry = (name: string, dropped?: string[]): ApplyEntry => ({
  reference: { apiVersion: "apps/v1", kind: "Deployment", namespace: "shop", name },
  action: "configured",
  ...(dropped === undefined ? {} : { dropped }),
});

describe("formatDroppedFields", () => {
  it("SN-07: names the objects and the fields that were not sent", () => {
    const entries = [entry("a"), entry("b", [".spec.replcias", ".spec.strategie"]), entry("c", [".spec.x"])];
    expect(formatDroppedFields(entries)).toBe(
      "Deployment/shop/b not applied, unknown to its kind: spec.replcias, spec.strategie\nDeployment/shop/c not applied, unknown to its kind: spec.x",
    );
    expect(formatDroppedFields([entry("a"), entry("b", [])])).toBeUndefined();
  });

  it("stays short, however much there is to say", () => {
    const fields = Array.from({ length: 12 }, (_, index) => `.spec.f${index}`);
    const entries = Array.from({ length: 25 }, (_, index) => entry(`a${index}`, fields));
    const lines = formatDroppedFields(entries)?.split("\n") ?? [];
    expect(lines).toHaveLength(21);
    expect(lines[0]).toMatch(/spec\.f9 and 2 more$/);
    expect(lines[20]).toBe("and 5 more objects");
  });
});
