import { request } from "node:https";
import type { BedCluster } from "./parts.ts";
import type { RunningSluice } from "./sluice.ts";
import { apiVersions, type Reconciled } from "./workspace.ts";

/** A change that a watch saw: the object as it is then, and when it was seen (`performance.now()`). */
export type Seen = { object: Reconciled; at: number };

/** Watches one collection: a stream costs the API server one request, where polling would be part of what is measured. */
export type Watch = {
  /** Resolves with the first change, from now on, for which `wanted` is true. */
  next(wanted: (object: Reconciled) => boolean, seconds?: number): Promise<Seen>;
  /** Called with every change. */
  onChange: (seen: Seen) => void;
  stop(): void;
};

/** Opens a watch on a collection such as `/api/v1/configmaps`; resolves once the API server has begun to answer. */
export function watch(
  cluster: Pick<BedCluster, "url" | "token" | "certificateAuthority">,
  path: string,
  fieldSelector?: string,
): Promise<Watch> {
  const selector = fieldSelector === undefined ? "" : `&fieldSelector=${encodeURIComponent(fieldSelector)}`;
  return new Promise((resolve, reject) => {
    const waiting = new Set<(seen: Seen) => void>();
    const options = {
      ca: cluster.certificateAuthority,
      headers: { authorization: `Bearer ${cluster.token}` },
      agent: false as const,
    };
    const asking = request(`${cluster.url}${path}?watch=true&timeoutSeconds=3600${selector}`, options, (response) => {
      if (response.statusCode !== 200) return reject(new Error(`watching ${path}: ${response.statusCode}`));
      let rest = "";
      response.setEncoding("utf8").on("data", (chunk: string) => {
        const lines = (rest + chunk).split("\n");
        rest = lines.pop() ?? "";
        for (const line of lines) {
          const seen: Seen = { object: JSON.parse(line).object, at: performance.now() };
          self.onChange(seen);
          for (const look of [...waiting]) look(seen);
        }
      });
      resolve(self);
    });
    const self: Watch = {
      onChange: () => undefined,
      next: (wanted, seconds = 60) =>
        new Promise((found, late) => {
          const timer = setTimeout(() => {
            waiting.delete(look);
            late(new Error(`nothing as wanted was seen at ${path} within ${seconds} s`));
          }, seconds * 1000);
          const look = (seen: Seen) => {
            if (!wanted(seen.object)) return;
            clearTimeout(timer);
            waiting.delete(look);
            found(seen);
          };
          waiting.add(look);
        }),
      stop: () => asking.destroy(),
    };
    asking.on("error", (error) => (asking.destroyed ? undefined : reject(error)));
    asking.end();
  });
}

/** The states that an object goes through, none left out: `seen` grows as the API server stores them. */
export type ObjectWatch = { seen: Reconciled[]; stop(): void };

/** Watches one object from its present state on. Resolves once that has been seen. */
export async function watchObject(
  { cluster }: RunningSluice,
  kind: "GitRepository" | "Kustomization",
  namespace: string,
  name: string,
): Promise<ObjectWatch> {
  const plural = kind === "GitRepository" ? "gitrepositories" : "kustomizations";
  const path = `/apis/${apiVersions[kind]}/namespaces/${namespace}/${plural}`;
  const seen: Reconciled[] = [];
  const watching = await watch(cluster, path, `metadata.name=${name}`);
  const first = watching.next(() => true);
  watching.onChange = ({ object }) => seen.push(object);
  await first;
  return { seen, stop: watching.stop };
}
