import type { ObjectReference } from "../../api/object.ts";
import type { ApplyEntry } from "../../cluster/apply.ts";
import { formatSubject } from "../../cluster/subject.ts";
import { kindNamed } from "../../engine/kinds.ts";
import { type Pass, publish } from "./pass.ts";

/** Whether an apply has made or changed an object. */
export function isChange({ action }: ApplyEntry): boolean {
  return action === "created" || action === "configured";
}

/** `<Kind>/<namespace>/<name> <action>`: a line of change and prune events. */
export function formatChange({ reference, action }: { reference: ObjectReference; action: string }): string {
  return `${formatSubject(reference)} ${action}`;
}

/** KS-230: one line an object that changed, in the order in which they were applied. Sluice's own kinds are woken as well. */
export function announceChanges(pass: Pass, entries: readonly ApplyEntry[]): void {
  const changes = entries.filter(isChange);
  if (changes.length === 0) return;
  publish(pass, { type: "Normal", reason: "Progressing", message: changes.map(formatChange).join("\n") });
  wakeChanged(pass, changes);
}

/** Objects of Sluice's own kinds that were made or changed are looked at next. */
export function wakeChanged(pass: Pass, changes: readonly ApplyEntry[]): void {
  // An object of a remote cluster is nobody's business here, whatever its kind.
  if (pass.remote !== undefined) return;
  const state = `${pass.object.metadata.uid}/${pass.startedAt}`;
  for (const { reference } of changes)
    if (kindNamed(reference.kind) !== undefined) pass.wake.push({ reference, state });
}

/** KS-237: the line of Flux's log that tells what an apply did of every object, with the gate GroupChangeLog by action. */
export function logChanges({ context, revision }: Pass, entries: readonly ApplyEntry[]): void {
  if (entries.length === 0) return;
  const isGrouped = context.settings.featureGates.GroupChangeLog === true;
  const output = isGrouped ? subjectsByAction(entries) : actionBySubject(entries);
  context.log.info("server-side apply completed", { revision, output });
}

function actionBySubject(entries: readonly ApplyEntry[]): Record<string, string> {
  return Object.fromEntries(entries.map(({ reference, action }) => [formatSubject(reference), action]));
}

function subjectsByAction(entries: readonly ApplyEntry[]): Record<string, string[]> {
  const groups = Map.groupBy(entries, ({ action }) => action);
  return Object.fromEntries(
    [...groups].map(([action, group]) => [action, group.map(({ reference }) => formatSubject(reference))]),
  );
}
