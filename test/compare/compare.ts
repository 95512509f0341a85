import { rm, writeFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import type { KubernetesObject } from "../../lib/api/object.ts";
import { ApiError } from "../../lib/cluster/api-error.ts";
import { applyObject, deleteObject, findObject, listObjects, patchObject } from "../../lib/cluster/objects.ts";
import {
  apiVersions,
  isAnswered,
  isFailed,
  isSettled,
  isSourceKind,
  type Source,
  type SourceKind,
  saidOf,
} from "./kinds.ts";
import { normalizer, type Observation, observe, observeEvents } from "./observe.ts";
import type { Side } from "./side.ts";

/** Something that is other in one side than in the other; undefined where there is nothing at that place. */
export type Difference = { place: string; flux: string | undefined; sluice: string | undefined };

/** What a case does, to both sides alike. All objects are in the case's namespace. */
export type Stage = {
  namespace: string;
  /** Applies objects as a user; what the API server refuses is compared too. */
  apply(...objects: Omitted[]): Promise<void>;
  secret(name: string, stringData: Record<string, string>, type?: string): Promise<void>;
  /** Asks for a look as `flux reconcile` does. */
  request(kind: SourceKind, ...names: string[]): Promise<void>;
  /** Deletes an object, and waits until it is gone. */
  remove(kind: SourceKind | "Secret", name: string): Promise<void>;
  /** Removes the stored file of an object's artifact, or puts other bytes into it. */
  spoil(way: "removed" | "corrupted", kind: SourceKind, name: string): Promise<void>;
  /** Waits until both sides are settled. */
  settle(): Promise<void>;
  /** Waits until both sides are settled, and compares what they say of every object. */
  look(step: string): Promise<void>;
};

/** An object without its namespace and API version, which are known. */
export type Omitted = {
  apiVersion?: string;
  kind: string;
  metadata: { name: string; [field: string]: unknown };
  [field: string]: unknown;
};

/** How long the sides may take until they are settled, and how long they must stay so, in milliseconds. */
const patience = { settle: 45_000, still: 900 };

/** Plays a case on both sides, and resolves with all that differs and how many objects were looked at. */
export async function play(
  sides: readonly [flux: Side, sluice: Side],
  name: string,
  script: (stage: Stage) => Promise<void>,
  { log, shown }: { log: (line: string) => void; shown: (place: string, flux?: string, sluice?: string) => void },
): Promise<{ differences: Difference[]; objects: number; looks: number }> {
  const namespace = name.toLowerCase().replace(/[^a-z0-9]+/g, "-");
  const differences: Difference[] = [];
  const normalizers = new Map(sides.map((side) => [side, normalizer()]));
  const kinds = new Set<SourceKind>();
  const names = new Set<string>();
  let looks = 0;
  await Promise.all(sides.map((side) => side.openNamespace(namespace)));

  const both = async <T>(act: (side: Side) => Promise<T>): Promise<readonly [T, T]> => {
    const [flux, sluice] = await Promise.all(sides.map(act));
    return [flux as T, sluice as T];
  };
  const compare = (where: string, [flux, sluice]: readonly [Observation, Observation]) => {
    for (const place of new Set([...flux.keys(), ...sluice.keys()])) {
      shown(`${where} ${place}`, flux.get(place), sluice.get(place));
      const [one, other] = [flux.get(place), sluice.get(place)];
      if (one !== other) differences.push({ place: `${where} ${place}`, flux: one, sluice: other });
    }
  };
  const reference = (kind: string, object: string) => ({
    apiVersion: isSourceKind(kind) ? apiVersions[kind] : "v1",
    kind,
    namespace,
    name: object,
  });
  const listed = async (side: Side): Promise<Source[]> => {
    const objects: Source[] = [];
    for (const kind of kinds)
      for (const object of await listObjects<Source>(side.client, { apiVersion: apiVersions[kind], kind, namespace }))
        objects.push({ ...object, apiVersion: apiVersions[kind], kind });
    return objects;
  };
  /** One that fails is looked at again and again: what it said last counts, whatever it is doing now. */
  const settled = async (side: Side): Promise<{ objects: Source[]; waited: boolean }> => {
    const giveUp = Date.now() + patience.settle;
    const last = new Map<string, Source>();
    let [state, since] = ["", Date.now()];
    for (;;) {
      const objects = await listed(side);
      const now = objects.map((object) => {
        const key = `${object.kind}/${object.metadata.name}`;
        if (isSettled(object)) last.set(key, object);
        const known = last.get(key);
        const isSame =
          known?.metadata.uid === object.metadata.uid && known?.metadata.generation === object.metadata.generation;
        return known !== undefined && isSame && (known === object || (isFailed(known) && isAnswered(object)))
          ? known
          : undefined;
      });
      const said = now.includes(undefined) ? "" : JSON.stringify(now.map((object) => saidOf(object)));
      if (said !== state) [state, since] = [said, Date.now()];
      const done = now.filter((object) => object !== undefined);
      if (said !== "" && Date.now() - since >= patience.still) return { objects: done, waited: false };
      if (Date.now() > giveUp) return { objects, waited: true };
      await sleep(150);
    }
  };

  const stage: Stage = {
    namespace,
    apply: async (...objects) => {
      for (const object of objects) {
        if (isSourceKind(object.kind)) {
          kinds.add(object.kind);
          names.add(`${object.kind}/${object.metadata.name}`);
          if (object.kind === "ArtifactGenerator") kinds.add("ExternalArtifact");
        }
        const whole: KubernetesObject = {
          ...object,
          apiVersion: object.apiVersion ?? reference(object.kind, "").apiVersion,
          metadata: { ...object.metadata, namespace },
        };
        const answers = await both((side) => accepted(side, whole));
        if (answers[0] !== answers[1])
          differences.push({
            place: `${object.kind}/${object.metadata.name} is applied`,
            flux: answers[0],
            sluice: answers[1],
          });
      }
    },
    secret: (secret, stringData, type = "Opaque") =>
      stage.apply({ apiVersion: "v1", kind: "Secret", metadata: { name: secret }, type, stringData }),
    request: async (kind, ...objects) => {
      const requestedAt = new Date().toISOString();
      const merge = { metadata: { annotations: { "reconcile.fluxcd.io/requestedAt": requestedAt } } };
      for (const object of objects)
        await both((side) => patchObject(side.client, reference(kind, object), { merge }, { fieldManager: "flux" }));
    },
    remove: async (kind, object) => {
      await both(async (side) => {
        await deleteObject(side.client, reference(kind, object));
        const giveUp = Date.now() + patience.settle;
        while ((await findObject(side.client, reference(kind, object))) !== undefined) {
          if (Date.now() > giveUp) {
            differences.push({
              place: `${kind}/${object} is deleted`,
              flux: undefined,
              sluice: undefined,
              [side.name]: "no",
            });
            return;
          }
          await sleep(100);
        }
      });
    },
    spoil: async (way, kind, object) => {
      await both(async (side) => {
        const found = await findObject<Source>(side.client, reference(kind, object));
        const file = side.fileOf(kind, found?.status?.artifact?.path ?? "");
        if (way === "removed") await rm(file);
        else await writeFile(file, "corrupted");
      });
    },
    settle: async () => {
      await both(settled);
    },
    look: async (step) => {
      looks += 1;
      const seen = await both(async (side) => {
        const { objects, waited } = await settled(side);
        const own = normalizers.get(side);
        if (own === undefined) throw new Error("a side has no normalizer");
        const found = new Map<string, Observation>();
        for (const object of objects) {
          own.learn(object);
          names.add(`${object.kind}/${object.metadata.name}`);
        }
        for (const object of objects)
          found.set(`${object.kind}/${object.metadata.name}`, await observe(side, object, own.normalize));
        if (waited) log(`${name}: ${side.name} is not settled (${step})`);
        return found;
      });
      for (const object of new Set([...seen[0].keys(), ...seen[1].keys()])) {
        const absent: Observation = new Map([["object", "is not there"]]);
        compare(`${step}: ${object}`, [seen[0].get(object) ?? absent, seen[1].get(object) ?? absent]);
      }
    },
  };

  await script(stage);
  // What is told comes some time after what is written.
  await sleep(1500);
  compare(
    "at last:",
    await both(async (side) => {
      const core = await listObjects(side.client, { apiVersion: "v1", kind: "Event", namespace });
      const posted = side.posted().filter(({ involvedObject }) => involvedObject.namespace === namespace);
      const mine = (kind: string) => isSourceKind(kind);
      return observeEvents(
        core.filter((event) => mine(kindOf(event))),
        posted.filter(({ involvedObject }) => mine(involvedObject.kind)),
        normalizers.get(side)?.normalize ?? ((text) => text),
      );
    }),
  );
  return { differences, objects: names.size, looks };
}

function kindOf(event: KubernetesObject): string {
  const involved = event.involvedObject;
  return typeof involved === "object" && involved !== null && "kind" in involved ? String(involved.kind) : "";
}

/** Applies an object as `kubectl apply --server-side` does; resolves with what was answered. */
async function accepted({ client }: Side, object: KubernetesObject): Promise<string> {
  try {
    await applyObject(client, object, { fieldManager: "kubectl", force: true });
    return "accepted";
  } catch (error) {
    if (error instanceof ApiError) return error.message;
    throw error;
  }
}
