import { describe, expect, it } from "vitest";
import { parseJson, readBody } from "./body.ts";

const limit = 3 * 1024 * 1024;

function post(body: Uint8Array<ArrayBuffer>): Request {
  return new Request("https://front/hook/x", { method: "POST", body });
}

describe("readBody", () => {
  it("RH-001: takes exactly the limit and not one byte more", async () => {
    expect((await readBody(post(new Uint8Array(limit)), limit))?.length).toBe(limit);
    expect(await readBody(post(new Uint8Array(limit + 1)), limit)).toBeUndefined();
  });

  it("RH-001: stops reading a body of unknown length where it gets too long", async () => {
    let sent = 0;
    const endless = new ReadableStream<Uint8Array>({
      pull: (controller) => {
        sent += 65_536;
        controller.enqueue(new Uint8Array(65_536));
      },
    });
    const request = new Request("https://front/hook/x", { method: "POST", body: endless, duplex: "half" });
    expect(await readBody(request, limit)).toBeUndefined();
    expect(sent).toBeLessThan(limit + 4 * 65_536);
  });

  it("gives an empty body for a request without one", async () => {
    expect(await readBody(new Request("https://front/hook/x"), limit)).toHaveLength(0);
  });
});

describe("parseJson", () => {
  const parse = (text: string, depth = 3) => parseJson(Buffer.from(text), depth);

  it("takes JSON up to its depth; brackets in strings do not count", () => {
    expect(parse('{"a":[{"b":"[[[[\\"{{"}]}')).toEqual({ a: [{ b: '[[[["{{' }] });
    expect(parse('{"a":[{"b":[]}]}')).toBeUndefined();
  });

  it("refuses a million brackets without a stack", () => {
    expect(parse("[".repeat(1_000_000), 100)).toBeUndefined();
  });

  it.each(["", "{", "nope", "\u0000"])("refuses %j", (text) => {
    expect(parse(text)).toBeUndefined();
  });
});
