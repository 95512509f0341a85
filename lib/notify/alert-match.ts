import type { Alert, AlertSpec } from "../api/alert.ts";
import { describeObject, type NotificationEvent } from "./event.ts";

/** What is wrong with an Alert: a Warning Event on it. */
export type AlertWarning = { reason: "InvalidConfig" | "SourceFetchFailed"; message: string };

/** The labels of the involved object as the API has them now; rejects where they cannot be read. */
export type ReadLabels = () => Promise<Record<string, string>>;

/** Whether an Alert takes an event (AL-003 to AL-008), and what is wrong with it. */
export async function matchAlert(
  alert: Alert,
  event: NotificationEvent,
  readLabels: ReadLabels,
): Promise<{ matches: boolean; warnings: AlertWarning[] }> {
  const warnings: AlertWarning[] = [];
  const { spec } = alert;
  if (spec.suspend === true) return { matches: false, warnings };
  let listens = false;
  for (const source of spec.eventSources) {
    listens = await matchesSource(alert, source, event, readLabels, warnings);
    if (listens) break;
  }
  const matches =
    listens && (await isIncluded(spec, event.message, warnings)) && !(await isExcluded(spec, event.message, warnings));
  return { matches, warnings };
}

async function matchesSource(
  { metadata, spec }: Alert,
  source: AlertSpec["eventSources"][number],
  { involvedObject, severity }: NotificationEvent,
  readLabels: ReadLabels,
  warnings: AlertWarning[],
): Promise<boolean> {
  const { namespace, kind, name } = involvedObject;
  if (namespace !== (source.namespace || metadata.namespace) || kind !== source.kind) return false;
  if ((spec.eventSeverity ?? "info") !== "info" && severity !== spec.eventSeverity) return false;
  if (source.name !== "*" && source.name !== name) return false;
  if (source.matchLabels === undefined) return true;
  const wanted = Object.entries(source.matchLabels);
  const named = describeObject(involvedObject);
  let labels: Record<string, string>;
  try {
    labels = await readLabels();
  } catch {
    warnings.push({ reason: "SourceFetchFailed", message: `error getting source object ${named}` });
    return false;
  }
  if (!wanted.every(([key, value]) => isLabel(key, value))) {
    const of = describeObject({ ...involvedObject, kind: source.kind, namespace, name: source.name });
    warnings.push({ reason: "InvalidConfig", message: `error using matchLabels from event source ${of}` });
    return false;
  }
  return wanted.every(([key, value]) => labels[key] === value);
}

/** AL-006: without a list every message is included; of a list one must match. */
async function isIncluded(
  { inclusionList = [] }: AlertSpec,
  message: string,
  warnings: AlertWarning[],
): Promise<boolean> {
  return inclusionList.length === 0 || inclusionList.some(await finder("inclusion", message, warnings));
}

/** AL-007. */
async function isExcluded(
  { exclusionList = [] }: AlertSpec,
  message: string,
  warnings: AlertWarning[],
): Promise<boolean> {
  return exclusionList.length > 0 && exclusionList.some(await finder("exclusion", message, warnings));
}

/** Of one expression: each step is taken for each character of each message, while others wait to be told. */
const expressionLimits = { characters: 1000, steps: 5000 };

/**
 * Whether an expression finds something in the message. The engine of expressions is loaded here: few Alerts have a list, and
 * it would be a quarter of what the function that notifies starts with.
 */
async function finder(
  list: string,
  message: string,
  warnings: AlertWarning[],
): Promise<(expression: string) => boolean> {
  const { RE2JS } = await import("re2js");
  return (expression) => {
    try {
      if (expression.length > expressionLimits.characters) throw new Error("too long");
      const compiled = RE2JS.compile(expression);
      if (compiled.programSize() > expressionLimits.steps) throw new Error("too large");
      return compiled.matcher(message).find();
    } catch {
      warnings.push({
        reason: "InvalidConfig",
        message: `failed to compile ${list} regex: ${expression.slice(0, 1000)}`,
      });
      return false;
    }
  };
}

/** Label keys and values as Kubernetes has them. */
function isLabel(key: string, value: string): boolean {
  const name = /^(?:[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)$/;
  const [first = "", second, ...more] = key.split("/");
  const prefixed = second === undefined || /^[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?$/.test(first);
  return more.length === 0 && prefixed && name.test(second ?? first) && (value === "" || name.test(value));
}
