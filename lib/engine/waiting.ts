import { randomUUID } from "node:crypto";
import type { ObjectReference } from "../api/object.ts";
import { type Json, RecordConflict, type RecordStore } from "../platform/ports.ts";

/** An object of the engine's own kinds, within one cluster. */
export type Waiter = { kind: string; namespace: string; name: string };

/** A waiter on the list. It names its registration: who was woken, and waits anew, is another one to be woken. */
export type Registered = Waiter & { registration: string };

/**
 * Who waits for whom (design, "State"): the record of an object that is not ready lists those who found it so.
 * They register first, then check again, then stop, so that a wake is never lost.
 */
export async function registerWaiter(
  records: RecordStore,
  clusterId: string,
  awaited: ObjectReference,
  waiter: Waiter,
): Promise<void> {
  const key = waitingKey(clusterId, awaited);
  for (;;) {
    const record = await records.get(key);
    const waiters = readWaiters(record?.value);
    if (waiters.some((known) => sameWaiter(known, waiter))) return;
    const { kind, namespace, name } = waiter;
    const list = [...waiters, { kind, namespace, name, registration: randomUUID() }];
    try {
      await records.put(key, list, record === undefined ? "absent" : { version: record.version });
      return;
    } catch (error) {
      if (!(error instanceof RecordConflict)) throw error;
    }
  }
}

/**
 * Hands everyone who waits for an object to `wake`, then clears the list. Waking comes first: if the invocation dies in
 * between they are woken twice, never not at all. What wakes has to differ by registration: a repetition that is taken for the
 * first one would clear the list of those who have been woken by that, and wait again.
 */
export async function wakeWaiters(
  records: RecordStore,
  clusterId: string,
  awaited: ObjectReference,
  wake: (waiters: Registered[]) => Promise<void>,
): Promise<void> {
  const key = waitingKey(clusterId, awaited);
  for (;;) {
    const record = await records.get(key);
    if (record === undefined) return;
    await wake(readWaiters(record.value));
    try {
      await records.remove(key, { version: record.version });
      return;
    } catch (error) {
      if (!(error instanceof RecordConflict)) throw error;
    }
  }
}

/** Whether an object of such a name can ever be (RFC 1123, as Kubernetes has it): nobody waits for any other, whatever a tenant wrote. */
export function mayEverBe({ name, namespace = "_" }: ObjectReference): boolean {
  const isName = (text: string) => text.length <= 253 && /^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/.test(text);
  return isName(name) && (namespace === "_" || isName(namespace));
}

function waitingKey(clusterId: string, awaited: ObjectReference): string {
  return `waiting/${clusterId}/${awaited.kind}/${awaited.namespace ?? "_"}/${awaited.name}`;
}

function readWaiters(value: Json | undefined): Registered[] {
  if (!Array.isArray(value)) return [];
  return value.flatMap((entry) => {
    if (typeof entry !== "object" || entry === null || Array.isArray(entry)) return [];
    const { kind, namespace, name, registration } = entry;
    return typeof kind === "string" && typeof namespace === "string" && typeof name === "string"
      ? [{ kind, namespace, name, registration: String(registration) }]
      : [];
  });
}

function sameWaiter(a: Waiter, b: Waiter): boolean {
  return a.kind === b.kind && a.namespace === b.namespace && a.name === b.name;
}
