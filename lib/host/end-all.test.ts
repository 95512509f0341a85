import { expect, it } from "vitest";
import { endAll } from "./end-all.ts";

it("what was begun is ended in reverse order, all of it whatever fails, and once", async () => {
  const ended: string[] = [];
  const ending = ["first", "second", "third"].map((name) => async () => {
    ended.push(name);
    if (name !== "first") throw new Error(`${name} fails`);
  });
  await expect(endAll(ending)).rejects.toThrow("third fails");
  await endAll(ending);
  expect(ended).toEqual(["third", "second", "first"]);
});
