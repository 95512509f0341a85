import { readFile } from "node:fs/promises";
import type { Workspace } from "./workspace.ts";

/** A write as the API server's audit log has it: by which program, as whom, and when. */
export type Writer = { agent: string; user: string; at: string };

/** Who wrote an object of a workspace, in order: all but the test itself, dry runs included. */
export async function writersOf(
  { sluice, namespace }: Pick<Workspace, "sluice" | "namespace">,
  resource: string,
  name: string,
): Promise<Writer[]> {
  const lines = (await readFile(sluice.cluster.auditLog ?? "", "utf8")).trim().split("\n");
  return lines.flatMap((line) => {
    const { objectRef, verb, userAgent, user, requestReceivedTimestamp: at, stage } = JSON.parse(line);
    const isIt = objectRef?.resource === resource && objectRef.name === name && objectRef.namespace === namespace;
    const isWrite = !["get", "list", "watch"].includes(verb) && stage === "ResponseComplete";
    const agent = userAgent?.split("/")[0];
    return isIt && isWrite && agent !== "sluice-test" ? [{ agent, user: user.username, at }] : [];
  });
}
