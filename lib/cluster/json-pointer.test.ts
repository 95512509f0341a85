import { describe, expect, it } from "vitest";
import { lookUp, removeAt, setAt } from "./json-pointer.ts";

const document = () => ({ spec: { replicas: 1, list: [{ a: 1 }, { a: 2 }], "a/b": { "c~d": "e" } } });

describe("JSON pointers (RFC 6901)", () => {
  it.each([
    ["/spec/replicas", 1],
    ["/spec/list/1/a", 2],
    ["/spec/a~1b/c~0d", "e"],
    ["/spec/list/2", undefined],
    ["/spec/list/01", undefined],
    ["/spec/list/-", undefined],
    ["/spec/replicas/more", undefined],
    ["/spec/toString", undefined],
    ["spec/replicas", undefined],
  ])("%s is read", (pointer, value) => {
    expect(lookUp(document(), pointer)).toEqual(value);
  });

  it("KS-150: what a pointer leads to goes, and one that leads nowhere takes nothing", () => {
    const changed = document();
    for (const pointer of [
      "/spec/list/0",
      "/spec/a~1b",
      "/nothing/at/all",
      "/spec/replicas/invalid",
      "spec",
      "/spec/list/9",
    ])
      removeAt(changed, pointer);
    expect(changed).toEqual({ spec: { replicas: 1, list: [{ a: 2 }] } });
  });

  it("sets what something holds, and adds no item to a list", () => {
    const changed: unknown = document();
    setAt(changed, "/spec/list/1", "x");
    setAt(changed, "/spec/new", 3);
    setAt(changed, "/spec/list/2", "y");
    setAt(changed, "/none/at", "y");
    setAt(changed, "/spec/__proto__", { polluted: true });
    expect(changed).toEqual({ ...document(), spec: { ...document().spec, list: [{ a: 1 }, "x"], new: 3 } });
    expect(lookUp(changed, "/spec/polluted")).toBeUndefined();
  });
});
