import { describe, expect, it } from "vitest";
import { formatWorkItem, groupOf, parseWorkItem, type WorkItem } from "./work-item.ts";

const item: WorkItem = {
  cluster: "prod",
  kind: "Kustomization",
  namespace: "flux-system",
  name: "apps",
  cause: { type: "source", source: "GitRepository/flux-system/apps", revision: "main@sha1:1", state: "7", user: "5" },
};

describe("work items", () => {
  it("design, contracts: an item reads back as it was written", () => {
    const continued: WorkItem = { ...item, continuation: { generation: 2, attempt: 1, state: { looks: 3 } } };
    for (const value of [item, continued]) expect(parseWorkItem(formatWorkItem(value).body)).toEqual(value);
  });

  it("SN-15: items of one object share a group, and those that reach for one state an id", () => {
    const other: WorkItem = {
      ...item,
      cause: { ...item.cause, type: "source", source: "x", revision: "main@sha1:2", state: "8", user: "5" },
    };
    expect(formatWorkItem(item).group).toBe(groupOf(other));
    expect(formatWorkItem(item).deduplication).toBe(formatWorkItem(structuredClone(item)).deduplication);
    expect(formatWorkItem(item).deduplication).not.toBe(formatWorkItem(other).deduplication);
    expect(groupOf(item)).not.toBe(groupOf({ ...item, namespace: "other" }));
  });

  it.each([
    ["no JSON", "{"],
    ["no object", "null"],
    ["an unknown kind", JSON.stringify({ ...item, kind: "Pod" })],
    ["a kind of Object.prototype", JSON.stringify({ ...item, kind: "constructor" })],
    ["a name that is a path", JSON.stringify({ ...item, name: "../secrets" })],
    ["a namespace with a query", JSON.stringify({ ...item, namespace: "a?b=c" })],
    ["no cause", JSON.stringify({ ...item, cause: undefined })],
  ])("a message with %s is refused, and becomes a dead letter", (_what, body) => {
    expect(() => parseWorkItem(body)).toThrow();
  });
});
