import { describe, expect, it } from "vitest";
import type { ApplyEntry } from "../../cluster/apply.ts";
import { parseSettings } from "../../engine/settings.ts";
import type { Logger } from "../../platform/ports.ts";
import { logChanges } from "./changes.ts";
import type { Pass } from "./pass.ts";

const silent: Logger = { debug() {}, info() {}, warn() {}, error() {}, child: () => silent };

/** What a pass over these entries logs with flags. */
function logged(entries: readonly ApplyEntry[], ...args: string[]): unknown[] {
  const lines: unknown[] = [];
  const log: Logger = { ...silent, info: (message, fields) => lines.push([message, fields]) };
  const settings = parseSettings(args, "flux-system", silent);
  logChanges({ context: { log, settings }, revision: "main@sha1:a" } as unknown as Pass, entries);
  return lines;
}

const entry = (kind: string, action: ApplyEntry["action"]): ApplyEntry => ({
  reference: { apiVersion: "v1", kind, namespace: "apps", name: "web" },
  action,
});

describe("the log of an apply", () => {
  const entries = [entry("ConfigMap", "created"), entry("Secret", "unchanged"), entry("Service", "created")];

  it("KS-237: names every object and what became of it", () => {
    const output = { "ConfigMap/apps/web": "created", "Secret/apps/web": "unchanged", "Service/apps/web": "created" };
    expect(logged(entries)).toEqual([["server-side apply completed", { revision: "main@sha1:a", output }]]);
    expect(logged([])).toEqual([]);
  });

  it("KS-237: groups them by action with the gate GroupChangeLog", () => {
    const output = { created: ["ConfigMap/apps/web", "Service/apps/web"], unchanged: ["Secret/apps/web"] };
    expect(logged(entries, "--feature-gates=GroupChangeLog=true")).toEqual([
      ["server-side apply completed", { revision: "main@sha1:a", output }],
    ]);
  });
});
