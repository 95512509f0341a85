import { ownerOfConnection } from "./connection-owner.ts";
import type { CrashPoint } from "./crash-point.ts";
import type { Passing } from "./relay.ts";
import type { RemoteCall } from "./remote-call.ts";

/** A call that was seen: which, whether it may change something, and in whose namespace (none where it names none). */
export type SeenCall = { call: string; changes: boolean; namespace: string | undefined };

/** Whether a process has died at the point. */
export type ArmedPoint = { reached(): boolean };

/** Counts what processes ask of others, and kills the one that comes to a point which is armed. */
export type ArmedPoints = {
  /**
   * The process that makes this call for the namespace, or for nobody in particular, is killed there, once. Counts from now
   * on. A namespace has one point: the last one.
   */
  arm(namespace: string, point: CrashPoint): ArmedPoint;
  disarm(namespace: string): void;
  /** Calls since `forget`, in the order in which they came. */
  seen(): SeenCall[];
  forget(): void;
  /** A relay's gate: false where whoever asked is dead. */
  pass(call: RemoteCall, passing: Passing, when: CrashPoint["when"], relayPort: number): boolean;
};

type State = CrashPoint & { namespace: string; passed: number; reached: boolean };

/** `namespaceOf` finds out whose call it is by what it says. */
export function createArmedPoints(namespaceOf: (text: string) => string | undefined): ArmedPoints {
  const armed = new Map<string, State>();
  const awaited = new Map<Passing, State>();
  let seen: SeenCall[] = [];

  /** The points that this call is the one of. */
  const count = (call: string, namespace: string | undefined): State[] =>
    [...armed.values()].filter(
      (point) =>
        point.call === call && (namespace ?? point.namespace) === point.namespace && ++point.passed === point.count,
    );
  const die = (point: State, { clientPort }: Passing, relayPort: number): boolean => {
    const owner = ownerOfConnection(clientPort, relayPort);
    if (owner === undefined) return false;
    // A function leads a process group, of all that it has started.
    process.kill(-owner, "SIGKILL");
    point.reached = true;
    return true;
  };

  return {
    arm: (namespace, point) => {
      const state: State = { ...point, namespace, passed: 0, reached: false };
      armed.set(namespace, state);
      return { reached: () => state.reached };
    },
    disarm: (namespace) => void armed.delete(namespace),
    seen: () => [...seen],
    forget: () => {
      seen = [];
    },
    pass: ({ call, changes, text }, passing, when, relayPort) => {
      if (when === "after") {
        const point = awaited.get(passing);
        awaited.delete(passing);
        return point === undefined || !die(point, passing, relayPort);
      }
      const namespace = namespaceOf(text);
      seen.push({ call, changes, namespace });
      const [point] = count(call, namespace);
      if (point?.when === "before") return !die(point, passing, relayPort);
      if (point !== undefined) awaited.set(passing, point);
      return true;
    },
  };
}
