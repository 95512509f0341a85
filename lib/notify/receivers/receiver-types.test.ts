import { createHmac } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { HookRefused, type HookRequest } from "./receiver-type.ts";
import { pushedBy, receiverTypes, verifyRequest } from "./receiver-types.ts";

const token = Buffer.from("token");
const body = Buffer.from('{"a":1}');
const vectors = {
  sha1: "f1f439b0057e737fa367eb06612055006154a7f2",
  sha256: "faee837978e44be8915ecfe70bee314b433634f9e039c865773280f437bc4d61",
  sha512:
    "b91592395c2fab52b7a8d0dcf22838a78f0f2bb2d44835540498d6821027f4d75d07c9b6d9d1e070e240f63dcd1db5d52937dc0eef9c50b3604148a6c13cb5f8",
};

function request(headers: Record<string, string>, sent: Uint8Array = body): HookRequest {
  return { path: "/hook/x", headers, body: sent };
}

function refused(type: string, sent: HookRequest, events: string[] = [], key: Uint8Array = token): boolean {
  try {
    verifyRequest(sent, { type, events }, key);
    return false;
  } catch (error) {
    if (error instanceof HookRefused) return true;
    throw error;
  }
}

describe("generic-hmac", () => {
  it.each(Object.entries(vectors))("RT-002: takes a signature by %s", (algorithm, hex) => {
    expect(refused("generic-hmac", request({ "x-signature": `${algorithm}=${hex}` }))).toBe(false);
  });

  it.each([
    ["no header", {}],
    ["md5", { "x-signature": "md5=00" }],
    ["no algorithm", { "x-signature": vectors.sha256 }],
    ["bad hexadecimal", { "x-signature": `sha256=${vectors.sha256.slice(0, -1)}z` }],
    ["odd hexadecimal", { "x-signature": `sha256=${vectors.sha256.slice(1)}` }],
    ["a shorter digest", { "x-signature": `sha256=${vectors.sha1}` }],
    ["an empty digest", { "x-signature": "sha256=" }],
    ["another digest", { "x-signature": `sha256=${vectors.sha256.replace("f", "e")}` }],
  ])("RT-002: refuses %s", (_, headers) => {
    expect(refused("generic-hmac", request(headers))).toBe(true);
  });

  it("RT-002: refuses a body that was changed by one byte", () => {
    expect(
      refused("generic-hmac", request({ "x-signature": `sha256=${vectors.sha256}` }, Buffer.from('{"a":2}'))),
    ).toBe(true);
  });

  it("RH-007: ignores spec.events", () => {
    expect(refused("generic-hmac", request({ "x-signature": `sha256=${vectors.sha256}` }), ["push"])).toBe(false);
  });

  it("QK-008: an empty token never proves anybody", () => {
    const signature = createHmac("sha256", "").update(body).digest("hex");
    expect(refused("generic-hmac", request({ "x-signature": `sha256=${signature}` }), [], Buffer.alloc(0))).toBe(true);
  });
});

describe("github", () => {
  const json = { "content-type": "application/json", "x-hub-signature-256": `sha256=${vectors.sha256}` };

  it("RT-003: takes JSON, with parameters of the media type", () => {
    expect(refused("github", request(json))).toBe(false);
    expect(refused("github", request({ ...json, "content-type": "Application/JSON; charset=utf-8" }))).toBe(false);
  });

  it("RT-003: takes a form whose raw body is signed", () => {
    const form = Buffer.from(`payload=${encodeURIComponent('{"a":1}')}`);
    const signature = createHmac("sha256", token).update(form).digest("hex");
    const headers = {
      "content-type": "application/x-www-form-urlencoded",
      "x-hub-signature-256": `sha256=${signature}`,
    };
    expect(refused("github", request(headers, form))).toBe(false);
    expect(refused("github", request({ ...headers, "x-hub-signature-256": `sha256=${vectors.sha256}` }, form))).toBe(
      true,
    );
  });

  it("RT-003: falls back to X-Hub-Signature, but prefers the one by SHA-256", () => {
    const sha1 = { "content-type": "application/json", "x-hub-signature": `sha1=${vectors.sha1}` };
    expect(refused("github", request(sha1))).toBe(false);
    expect(refused("github", request({ ...sha1, "x-hub-signature-256": "sha256=00" }))).toBe(true);
  });

  it.each([
    ["no Content-Type", { "x-hub-signature-256": `sha256=${vectors.sha256}` }],
    ["another Content-Type", { ...json, "content-type": "text/plain" }],
    ["no signature", { "content-type": "application/json" }],
  ])("RT-003: refuses %s", (_, headers) => {
    expect(refused("github", request(headers))).toBe(true);
  });

  it("RH-007: compares the event as a whole and in any case", () => {
    const push = request({ ...json, "x-github-event": "push" });
    expect(refused("github", push, ["PUSH"])).toBe(false);
    expect(refused("github", push, ["pus"])).toBe(true);
    expect(refused("github", request({ ...json, "x-github-event": "ping" }), ["push"])).toBe(true);
    expect(refused("github", request(json), ["push"])).toBe(true);
    expect(refused("github", push)).toBe(false);
  });
});

it("RH-001: whatever a sender without the token sends is refused, and never an error", () => {
  const header = fc.constantFrom(
    "content-type",
    "x-hub-signature-256",
    "x-hub-signature",
    "x-signature",
    "x-github-event",
  );
  const text = fc.oneof(
    fc.string(),
    fc.constantFrom("application/json", "sha256=", "sha1=00", "=", "push"),
    fc
      .tuple(fc.constantFrom("sha1", "sha256", "sha512"), fc.uint8Array({ maxLength: 64 }))
      .map(([algorithm, bytes]) => `${algorithm}=${Buffer.from(bytes).toString("hex")}`),
  );
  fc.assert(
    fc.property(
      fc.dictionary(header, text),
      fc.uint8Array(),
      fc.constantFrom("github", "generic-hmac"),
      (headers, bytes, type) => {
        expect(refused(type, request(headers, bytes))).toBe(true);
      },
    ),
  );
});

describe("others", () => {
  it("RT-001: generic asks for nothing but the path", () => {
    expect(refused("generic", request({}, Buffer.alloc(0)), ["push"], Buffer.alloc(0))).toBe(false);
  });

  it("RC-001: a type of a later release is refused, never let through", () => {
    for (const type of ["gitlab", "generic-oidc", "constructor"]) expect(refused(type, request({}))).toBe(true);
    expect([...receiverTypes.keys()]).toEqual(["generic", "generic-hmac", "github"]);
  });
});

describe("what github says was pushed", () => {
  const commit = "1".repeat(40);
  const push = { ref: "refs/heads/main", after: commit, commits: [] };
  const headers = { "content-type": "application/json", "x-github-event": "push" };
  const said = (payload: unknown, other: Record<string, string> = {}) =>
    pushedBy(request({ ...headers, ...other }, Buffer.from(JSON.stringify(payload))), "github");

  it("SB-001: the reference and the commit of a push, also in a form", () => {
    const wanted = { reference: "refs/heads/main", commit };
    expect(said(push)).toEqual(wanted);
    const form = new URLSearchParams({ payload: JSON.stringify(push) }).toString();
    const type = { "content-type": "application/x-www-form-urlencoded" };
    expect(pushedBy(request({ ...headers, ...type }, Buffer.from(form)), "github")).toEqual(wanted);
  });

  it.each([
    ["another event", push, { "x-github-event": "ping" }],
    ["a deletion", { ...push, after: "0".repeat(40) }, {}],
    ["no commit", { ...push, after: "HEAD" }, {}],
    ["no reference", { ...push, ref: "../../x" }, {}],
    ["no object", [], {}],
  ])("SB-001: nothing of %s", (_, payload, other) => {
    expect(said(payload, other)).toBeUndefined();
    expect(pushedBy(request(headers, Buffer.from("not JSON")), "github")).toBeUndefined();
    expect(pushedBy(request(headers, Buffer.from(JSON.stringify(push))), "generic")).toBeUndefined();
  });
});
