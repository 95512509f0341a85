import { expect, it } from "vitest";
import { webhookPath } from "./webhook-path.ts";

it.each([
  ["token", "github-receiver", "flux-system", "8ed710969b945c0dc10d6d0b5084e120ec2228353d1fe42d56be5ba88500e684"],
  ["test-token", "receiver-secret", "my-namespace", "106120121d366c2f67e93200f6c1dbe938235eb588daa5e8c0516d3a77ac1dee"],
  ["", "oidc", "apps", "1c7f525795ff89d737b4d55b4b95c11f55d0ef6755e36ee411cdb4e0c6b58d96"],
])("RC-002: the path of token %j, %s in %s", (token, name, namespace, digest) => {
  expect(webhookPath(Buffer.from(token), name, namespace)).toBe(`/hook/${digest}`);
});

it("RC-002: white space of the token counts", () => {
  expect(webhookPath(Buffer.from("token\n"), "a", "b")).not.toBe(webhookPath(Buffer.from("token"), "a", "b"));
});
