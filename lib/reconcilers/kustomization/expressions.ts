import type { Kustomization } from "../../api/kustomization.ts";
import {
  compileHealthExpressions,
  type HealthRules,
  InvalidHealthExpressions,
} from "../../cluster/health-expressions.ts";
import { messageOf } from "../../text/error-message.ts";
import { type Halt, terminal } from "./halt.ts";
import type { Pass } from "./pass.ts";

/** KS-202: refuses `spec.healthCheckExprs` that cannot be used, whether health is looked at or not. Throws a Halt. */
export async function refuseHealthExpressions(pass: Pass): Promise<void> {
  await healthRulesOf(pass);
}

/**
 * The rules that `spec.healthCheckExprs` give. They may say how a Job is only where somebody else than Sluice in its own cluster
 * is acted as (KS-203).
 */
export async function healthRulesOf({ object, impersonates }: Pass): Promise<HealthRules> {
  const { healthCheckExprs = [], kubeConfig } = object.spec;
  try {
    const coversJobs = impersonates !== undefined || kubeConfig !== undefined;
    return await compileHealthExpressions(healthCheckExprs, { coversJobs });
  } catch (error) {
    if (!(error instanceof InvalidHealthExpressions)) throw error;
    throw invalidExpression(error.message, error);
  }
}

/** Ends a pass for an expression that cannot be used, until the specification changes (KS-043, KS-202). */
export function invalidExpression(problem: string, cause: unknown): Halt {
  const message = `Reconciliation failed terminally due to configuration error: ${problem}`;
  return terminal("InvalidCELExpression", message, cause);
}

/**
 * Whether a `readyExpr` holds for an object and one that it depends on (KS-042). Throws a Halt where it is none or not exactly bool
 * (KS-043), and a CelError where it has no answer (KS-044).
 */
export async function isReadyBy(expression: string, self: Kustomization, dep: Kustomization): Promise<boolean> {
  const { compileCel } = await import("../../text/cel.ts");
  const whole = (object: Kustomization) => ({ ...object, status: object.status ?? {} });
  return compiled().evaluateBoolean({ self: whole(self), dep: whole(dep) });

  function compiled() {
    try {
      return compileCel(expression, ["self", "dep"]);
    } catch (error) {
      const problem = messageOf(error);
      throw invalidExpression(`terminal error: failed to evaluate dependency ${dep.metadata.name}: ${problem}`, error);
    }
  }
}
