import { describe, expect, it } from "vitest";
import { parseNamedObject } from "./named-object.ts";

describe("an object that a command is told", () => {
  it.each(["GitRepository/web", "gitrepository/web", "gitrepositories/web", "gitrepo/web"])(
    "is read from %s",
    (text) => {
      expect(parseNamedObject(text)).toMatchObject({ kind: { kind: "GitRepository" }, name: "web" });
    },
  );

  it.each([
    ["web", "'web' does not name an object: write KIND/NAME, such as gitrepo/web"],
    ["ks/a/b", "does not name an object"],
    ["ks/../b", "does not name an object"],
    ["pod/web", "'pod' is none of Sluice's kinds, which are GitRepository, OCIRepository"],
  ])("is refused where it is %s", (text, sentence) => {
    expect(() => parseNamedObject(text)).toThrow(sentence);
  });
});
