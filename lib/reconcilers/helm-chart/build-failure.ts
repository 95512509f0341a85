import { AskError } from "../../platform/ask-error.ts";
import { messageOf } from "../../text/error-message.ts";
import { SourceFailure } from "../source/source-failure.ts";
import type { ChartPass } from "./build.ts";

/** Why a chart could not be built: the reason, and the condition that has it (sources.md, section 10). */
type BuildReason = keyof typeof summaries;

const summaries = {
  InvalidChartReference: "invalid chart reference",
  ChartPullError: "chart pull error",
  MetadataPatchError: "chart metadata patch error",
  ValuesFilesError: "values files merge error",
  DependencyBuildError: "dependency build error",
  ChartPackageError: "chart package error",
  ChartVerificationError: "chart verification error",
  Unknown: "unknown build error",
} as const;

const fetching = new Set<BuildReason>(["InvalidChartReference", "ChartPullError", "Unknown"]);
/** What only a change of the object, or of the source, can mend. */
const persistent = new Set<BuildReason>(["InvalidChartReference", "MetadataPatchError", "ValuesFilesError"]);

/** A failed build as the object's status tells it. */
export function buildFailure(reason: BuildReason, error: unknown, told = ""): SourceFailure {
  if (error instanceof SourceFailure) return error;
  const words = `${told === "" ? "" : `${told}: `}${messageOf(error)}`;
  return new SourceFailure(
    fetching.has(reason) ? "FetchFailed" : "BuildFailed",
    reason,
    `${summaries[reason]}: ${words}`,
    { terminal: persistent.has(reason), cause: error },
  );
}

/**
 * What ends a build besides the build itself, such as credentials that are wrong: FetchFailed says that nothing is known of the build,
 * the event why.
 */
export function withoutBuild(
  pass: ChartPass,
  { condition, reason, message, terminal, cause }: SourceFailure,
): SourceFailure {
  const shown = { reason: "Unknown", message: `${summaries.Unknown}: ${message}` } as const;
  if (condition === "SourceVerified") {
    pass.conditions.set("FetchFailed", "True", shown.reason, shown.message);
    return new SourceFailure(condition, reason, message, { terminal, cause });
  }
  return new SourceFailure(condition, reason, message, { terminal, shown, cause });
}

/** Whether a failure is one of the build itself. */
export function isBuildFailure({ reason }: SourceFailure): boolean {
  return reason in summaries;
}

/** Does a step of a build; what it throws is told with this reason. */
export async function step<Result>(
  reason: BuildReason,
  work: () => Result | Promise<Result>,
  told = "",
): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    throw buildFailure(reason, error, told);
  }
}

const authenticationWords = ["401", "unauthorized", "authentication required", "tls", "unknown certificate authority"];

/** HC-017: what a repository answers to who may not, and what TLS says, is an authentication that failed. */
export function repositoryFailure(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const { message } = error;
  if (!authenticationWords.some((word) => message.includes(word)) && !isTls(error)) return error;
  const told = `failed to authenticate with the Helm repository: ${message}`;
  return new SourceFailure("FetchFailed", "AuthenticationFailed", told, { cause: error });
}

function isTls(error: unknown): boolean {
  if (error instanceof AskError && error.code === "tls") return true;
  return error instanceof Error && error.cause !== undefined && isTls(error.cause);
}
