import { once } from "node:events";
import { get } from "node:https";
import { createInterface } from "node:readline";
import type { RunningSluice } from "./sluice.ts";
import { apiVersions, type Reconciled } from "./workspace.ts";

/** The states that an object goes through, none left out: `seen` grows as the API server stores them. */
export type Watch = { seen: Reconciled[]; stop(): void };

/** Watches one object from its present state on. Resolves once the API server has begun to tell. */
export async function watchObject(
  { cluster }: RunningSluice,
  kind: "GitRepository" | "Kustomization",
  namespace: string,
  name: string,
): Promise<Watch> {
  const plural = kind === "GitRepository" ? "gitrepositories" : "kustomizations";
  const query = new URLSearchParams({ watch: "true", fieldSelector: `metadata.name=${name}` });
  const asking = get(`${cluster.url}/apis/${apiVersions[kind]}/namespaces/${namespace}/${plural}?${query}`, {
    ca: cluster.certificateAuthority,
    headers: { authorization: `Bearer ${cluster.token}` },
    agent: false,
  });
  const [response] = await once(asking, "response");
  if (response.statusCode !== 200) throw new Error(`${kind}/${name} cannot be watched: ${response.statusCode}`);
  const seen: Reconciled[] = [];
  const lines = createInterface({ input: response });
  // Ending the watch breaks the answer off.
  for (const emitter of [asking, response, lines]) emitter.on("error", () => undefined);
  const first = once(lines, "line");
  lines.on("line", (line) => seen.push(JSON.parse(line).object));
  await first;
  return { seen, stop: () => asking.destroy() };
}
