import type { Condition } from "../api/condition.ts";
import { tracePrefix } from "../engine/events.ts";
import { requestedAtAnnotation } from "../engine/kinds.ts";
import type { Explained, Needed, Owner, ReadEvent, Readiness } from "./readiness.ts";

const warningsShown = 3;
const second = 1000;

/** The lines that say why an object is, or is not, ready (SB-010), as of `now`. */
export function explainReadiness(
  { object, component, owner, refusedGates, needs, events }: Readiness,
  now: Date,
): string[] {
  const { kind, metadata } = object;
  const ready = conditionOf(object, "Ready");
  const warnings = events.filter(({ type }) => type === "Warning").slice(-warningsShown);
  return [
    `${kind}/${metadata.name} in ${metadata.namespace} ${stateOf(object)}`,
    ...(ready === undefined ? [] : [...indented(ready.message), field("since", time(ready.lastTransitionTime, now))]),
    ...hindrancesOf(object, now),
    ...(isReady(object) ? [] : attemptOf(object, events, now)),
    field("owner", ownerText(component, owner)),
    ...refusedGates.map((problem) => field("flags", `${visible(problem)}: it is not looked at`)),
    ...needs.flatMap((needed) => neededText(needed)),
    ...(warnings.length === 0 ? [] : [field("warnings", "the last of its Events")]),
    ...warnings.map(
      ({ lastTimestamp, reason, message }) =>
        `    ${time(lastTimestamp ?? "", now)} ${reason}: ${oneLine(message ?? "")}`,
    ),
  ];
}

function stateOf(object: Explained): string {
  const ready = conditionOf(object, "Ready");
  if (ready === undefined)
    return object.kind === "HelmRepository" && object.spec?.type === "oci"
      ? "has no state: it is of the type oci, which charts read and nobody looks at"
      : "says nothing of Ready: it was not looked at yet";
  if (ready.status === "True") return `is ready: ${ready.reason}`;
  return `${ready.status === "False" ? "is not ready" : "is not known to be ready"}: ${ready.reason}`;
}

/** What keeps the object from being looked at, or the look from having ended. */
function hindrancesOf(object: Explained, now: Date): string[] {
  const { metadata, spec, status } = object;
  const lines: string[] = [];
  const { generation = 0, deletionTimestamp, finalizers = [], annotations } = metadata;
  if (deletionTimestamp !== undefined)
    lines.push(
      field("deleted", `${time(deletionTimestamp, now)}; what it did is being undone for ${finalizers.join(", ")}`),
    );
  if (spec?.suspend === true || annotations?.["source.extensions.fluxcd.io/reconcile"]?.toLowerCase() === "disabled")
    lines.push(field("suspended", "nothing is done until it is resumed"));
  const stalled = conditionOf(object, "Stalled");
  if (stalled?.status === "True")
    lines.push(
      field("stalled", `nothing is tried again until the object changes or a look is asked for (${stalled.reason})`),
    );
  const reconciling = conditionOf(object, "Reconciling");
  if (reconciling?.status === "True") lines.push(field("reconciling", oneLine(reconciling.message)));
  const observed = status?.observedGeneration ?? 0;
  if (observed > 0 && observed !== generation)
    lines.push(field("generation", `${generation}; ${observed} is the last one that a look has done with`));
  const asked = annotations?.[requestedAtAnnotation];
  if (asked !== undefined && asked !== status?.lastHandledReconcileAt)
    lines.push(field("asked", `for a look at ${oneLine(asked)}, which is not answered yet`));
  return lines;
}

/** The failed step and the next attempt, as the Event of the last failed attempt has them. */
function attemptOf(object: Explained, events: readonly ReadEvent[], now: Date): string[] {
  const last = events.findLast(({ metadata }) => metadata.annotations?.[`${tracePrefix}step`] !== undefined);
  const trace = (key: string) => last?.metadata.annotations?.[`${tracePrefix}${key}`];
  const step = trace("step");
  if (step === undefined) return [];
  const next = trace("next-attempt");
  const idle = object.spec?.suspend === true || conditionOf(object, "Stalled")?.status === "True";
  return [
    field("failed", `at the step ${step}, after ${trace("duration") ?? "a time that is not known"}`),
    ...(next === undefined || idle ? [] : [field("next", `attempt ${time(next, now)}`)]),
  ];
}

function ownerText(component: string, owner: Owner): string {
  const texts: Record<Owner, string> = {
    sluice: `Sluice does the work of ${component} here`,
    controller: `${component} runs in the cluster itself: Sluice leaves its kinds alone`,
    nobody: `there is no placeholder of ${component}: Sluice is not installed here, see sluice install`,
    unknown: `the placeholder of ${component} may not be read`,
  };
  return texts[owner];
}

function neededText({ reference, object }: Needed): string[] {
  const name = `${reference.kind}/${reference.name} in ${reference.namespace}`;
  if (object === "absent") return [field("needs", `${name}, which does not exist`)];
  if (object === "unreadable") return [field("needs", `${name}, which may not be read`)];
  const ready = conditionOf(object, "Ready");
  const suspended = object.spec?.suspend === true ? ", suspended" : "";
  const detail = ready === undefined || isReady(object) ? [] : indented(ready.message, "    ");
  return [field("needs", `${name}, which ${stateOf(object)}${suspended}`), ...detail];
}

/** Whether the object is ready as it is now. */
function isReady(object: Explained): boolean {
  return conditionOf(object, "Ready")?.status === "True";
}

function conditionOf({ status }: Explained, type: string): Condition | undefined {
  return status?.conditions?.find((condition) => condition.type === type);
}

function field(name: string, text: string): string {
  return `  ${`${name}:`.padEnd(13)}${text}`;
}

function indented(message: string, by = "  "): string[] {
  return message.split("\n").map((line) => `${by}${visible(line)}`);
}

function oneLine(message: string): string {
  return visible(message.replace(/\s*\n\s*/g, " "));
}

/** Without control characters: what a server said must not steer the terminal. */
function visible(text: string): string {
  return text.replace(/\p{Cc}/gu, " ");
}

/** A moment and how far it is: `2026-03-01T12:00:00Z (in 12s)`. */
function time(text: string, now: Date): string {
  const moment = Date.parse(text);
  if (Number.isNaN(moment)) return visible(text);
  const distance = moment - now.getTime();
  const words = span(Math.abs(distance));
  return `${text} (${distance > 0 ? `in ${words}` : `${words} ago`})`;
}

/** A length of time as kubectl has it in lists: its two greatest units. */
function span(milliseconds: number): string {
  const seconds = Math.round(milliseconds / second);
  const units: [string, number][] = [
    ["d", Math.floor(seconds / 86_400)],
    ["h", Math.floor(seconds / 3600) % 24],
    ["m", Math.floor(seconds / 60) % 60],
    ["s", seconds % 60],
  ];
  const from = units.findIndex(([, count]) => count > 0);
  if (from < 0) return "0s";
  const shown = units.slice(from, from + 2).filter(([, count]) => count > 0);
  return shown.map(([unit, count]) => `${count}${unit}`).join("");
}
