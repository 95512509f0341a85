import { describe, expect, it } from "vitest";
import type { KubernetesObject } from "../api/object.ts";
import { compileHealthExpressions, type HealthExpressions } from "./health-expressions.ts";

const ready = "status.conditions.filter(e, e.type == 'Ready').all(e, e.status == 'True')";
const custom: HealthExpressions = { apiVersion: "example.com/v1", kind: "App", current: ready };

const compile = (...list: HealthExpressions[]) => compileHealthExpressions(list, { coversJobs: false });

async function problemOf(...list: HealthExpressions[]): Promise<string> {
  return compile(...list).then(
    () => "none",
    (error: Error) => error.message,
  );
}

function app(fields: Record<string, unknown>): KubernetesObject {
  return { apiVersion: "example.com/v1", kind: "App", metadata: { name: "a", generation: 2 }, ...fields };
}

/** The status that expressions give an object, or what they could not answer. */
async function statusOf(expressions: HealthExpressions, fields: Record<string, unknown>): Promise<string | undefined> {
  const rules = await compile(expressions);
  try {
    return rules(expressions.kind === undefined ? { ...expressions, kind: "App" } : { kind: "App", ...expressions })?.(
      app(fields),
    ).status;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

describe("compileHealthExpressions", () => {
  it("KS-201: the version does not matter, an exact kind comes before its group", async () => {
    const rules = await compile(
      { apiVersion: "example.com/v1", current: "false" },
      { apiVersion: "example.com/v1beta1", kind: "App", current: "true" },
    );
    const found = (apiVersion: string, kind: string) => rules({ apiVersion, kind })?.(app({})).status;
    expect(found("example.com/v1", "App")).toBe("Current");
    expect(found("example.com/v2", "App")).toBe("Current");
    expect(found("example.com/v2", "Other")).toBe("InProgress");
    expect(found("example.org/v1", "App")).toBeUndefined();
    expect(found("v1", "App")).toBeUndefined();
  });

  it("KS-203: a Job goes by its own rule, unless somebody else is acted as", async () => {
    const list = [
      { apiVersion: "batch/v1", current: "true" },
      { apiVersion: "apps/v1", kind: "Deployment", current: "true" },
    ];
    const own = await compileHealthExpressions(list, { coversJobs: false });
    const tenants = await compileHealthExpressions(list, { coversJobs: true });
    const job = { apiVersion: "batch/v1", kind: "Job" };
    expect(own(job)).toBeUndefined();
    expect(own({ apiVersion: "batch/v1", kind: "CronJob" })).toBeDefined();
    expect(own({ apiVersion: "apps/v1", kind: "Deployment" })).toBeDefined();
    expect(tenants(job)).toBeDefined();
  });

  it.each([
    [{}, "no such attribute(s): status.conditions"],
    [{ status: {} }, "no such key: conditions"],
    [{ status: { conditions: [] } }, "Current"],
    [{ status: { conditions: [{ type: "Ready", status: "False" }] } }, "InProgress"],
    [{ status: { conditions: [{ type: "Ready", status: "True" }] } }, "Current"],
    [{ status: { observedGeneration: 1, conditions: [{ type: "Ready", status: "True" }] } }, "InProgress"],
    [{ status: { observedGeneration: 2, conditions: [{ type: "Ready", status: "True" }] } }, "Current"],
    [{ status: { observedGeneration: "1", conditions: [{ type: "Ready", status: "True" }] } }, "Current"],
    [{ status: { observedGeneration: 1 } }, "InProgress"],
  ])("KS-201: %j is %s", async (fields, status) => {
    const found = await statusOf(custom, fields);
    expect(found?.replace(/^.*': /, "")).toBe(status);
  });

  it("KS-201: in progress comes before failed, and failed before current", async () => {
    const expressions = {
      ...custom,
      inProgress: "phase == 'a'",
      failed: "phase in ['a', 'b']",
      current: "phase != 'd'",
    };
    const found = await Promise.all(["a", "b", "c", "d"].map((phase) => statusOf(expressions, { phase })));
    expect(found).toEqual(["InProgress", "Failed", "Current", "InProgress"]);
    expect(await statusOf({ ...custom, current: "1" }, {})).toBe("failed to evaluate CEL expression as boolean: '1'");
  });

  it("KS-202: what cannot be used is told as Flux tells it", async () => {
    const place = "failed to create custom status evaluator for healthchecks";
    expect(await problemOf({ ...custom, inProgress: "foo." })).toBe(
      `${place}[0]: failed to parse the expression InProgress: failed to parse the CEL expression 'foo.': ERROR: <input>:1:5: Syntax error: no viable alternative at input '.'\n | foo.\n | ....^`,
    );
    expect(await problemOf({ ...custom, failed: "a b" })).toContain(
      `${place}[0]: failed to parse the expression Failed: `,
    );
    expect(await problemOf({ ...custom, current: "(" })).toContain(
      `${place}[0]: failed to parse the expression Current: `,
    );
    expect(await problemOf(custom, { apiVersion: "example.org/v1", kind: "App" })).toBe(
      `${place}[1]: expression Current not specified`,
    );
    expect(await problemOf({ ...custom, current: "int('x') == 1" })).toBe(
      `${place}[0]: failed to parse the expression Current: failed to create CEL program: type conversion error from 'string' to 'int'`,
    );
    expect(await problemOf(custom, { ...custom, apiVersion: "example.com/v2" })).toBe(
      "duplicate custom health check for GroupKind App.example.com at healthchecks[1]",
    );
    expect(await problemOf({ ...custom, current: "unknown.name > 'a'" })).toBe("none");
  });
});
