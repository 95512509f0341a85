/**
 * What tests ask the bed for. One bed serves a whole run of `npm test`: a control plane (`bedCluster`) and whatever else
 * `parts.ts` lists. Cheap things every test starts for itself: `startGitServer` in `git/git-server.ts`, `startRegistry` in
 * `registry/registry.ts`, and a control plane of its own by `startControlPlane` in `lib/host/control-plane/control-plane.ts`.
 */
import { randomBytes } from "node:crypto";
import { get } from "node:http";
import { request } from "node:https";
import { inject } from "vitest";
import type { BedCluster, PartValues } from "./parts.ts";

const asked = new Map<string, Promise<unknown>>();

/** The run's control plane, started by the first call of all test processes. Rejects with the reason why it does not start. */
export function bedCluster(): Promise<BedCluster> {
  return bedPart("cluster");
}

/** A part of the bed by its name in `parts.ts`. Rejects with the reason why it does not start. */
export async function bedPart<Name extends keyof PartValues>(name: Name): Promise<PartValues[Name]> {
  const asking = asked.get(name) ?? ask(`${inject("bedUrl")}/${name}`);
  asked.set(name, asking);
  // The other end of this connection is global-setup.ts, which sends the value of exactly this type.
  return (await asking) as PartValues[Name];
}

/** A name that no other test has, as a DNS label of at most 63 characters: for namespaces, buckets, queues, repositories. */
export function uniqueName(prefix: string): string {
  return `${prefix.slice(0, 50)}-${randomBytes(5).toString("hex")}`;
}

/** Makes a namespace of its own in the run's control plane and resolves with its name. It goes with the control plane. */
export async function uniqueNamespace(prefix: string): Promise<string> {
  const cluster = await bedCluster();
  const name = uniqueName(prefix);
  const body = JSON.stringify({ apiVersion: "v1", kind: "Namespace", metadata: { name } });
  const status = await new Promise<number>((resolve, reject) => {
    const headers = { authorization: `Bearer ${cluster.token}`, "content-type": "application/json" };
    const options = { method: "POST", ca: cluster.certificateAuthority, headers, agent: false } as const;
    const asking = request(`${cluster.url}/api/v1/namespaces`, options, (response) => {
      response.resume();
      response.once("end", () => resolve(response.statusCode ?? 0));
    });
    asking.once("error", reject);
    asking.end(body);
  });
  if (status !== 201) throw new Error(`the namespace ${name} was not made: ${status}`);
  return name;
}

/** fetch gives up after five minutes without a header; the first start of a part may take longer. */
function ask(url: string): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const asking = get(url, { agent: false }, (response) => {
      let body = "";
      response.setEncoding("utf8");
      response.on("data", (chunk: string) => {
        body += chunk;
      });
      response.once("end", () => (response.statusCode === 200 ? resolve(JSON.parse(body)) : reject(new Error(body))));
    });
    asking.once("error", reject);
  });
}
