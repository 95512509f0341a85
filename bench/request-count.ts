import { request } from "node:https";
import type { BedCluster } from "../test/bed/parts.ts";

/** Requests that the API server has answered, by its own counter (`apiserver_request_total`): `<verb> <resource>` to number. */
export async function requestCounts(
  cluster: Pick<BedCluster, "url" | "token" | "certificateAuthority">,
): Promise<Map<string, number>> {
  const text = await metrics(cluster);
  const counts = new Map<string, number>();
  for (const line of text.split("\n")) {
    const match = /^apiserver_request_total\{(.*)\} (\S+)$/.exec(line);
    if (match === null) continue;
    const label = (name: string) => new RegExp(`(?:^|,)${name}="([^"]*)"`).exec(match[1] ?? "")?.[1] ?? "";
    // Watches are counted when they end, and belong to the controllers.
    if (label("verb") === "WATCH") continue;
    const subresource = label("subresource");
    const dryRun = label("dry_run") === "" ? "" : " (dry run)";
    const name = `${label("verb")} ${label("resource")}${subresource === "" ? "" : `/${subresource}`}${dryRun}`;
    counts.set(name, (counts.get(name) ?? 0) + Number(match[2]));
  }
  return counts;
}

/** What was counted between two readings, the most frequent first; the readings themselves, leases and health checks are left out. */
export function countedBetween(before: Map<string, number>, after: Map<string, number>): Map<string, number> {
  const rows = [...after]
    .map(([name, count]): [string, number] => [name, count - (before.get(name) ?? 0)])
    .filter(([name, count]) => count > 0 && !/ (leases|)$/.test(name) && !name.startsWith("GET /"));
  return new Map(rows.sort((a, b) => b[1] - a[1]));
}

/** The sum of all counts. */
export function total(counts: Map<string, number>): number {
  return [...counts.values()].reduce((sum, count) => sum + count, 0);
}

function metrics({
  url,
  token,
  certificateAuthority,
}: Pick<BedCluster, "url" | "token" | "certificateAuthority">): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = { ca: certificateAuthority, headers: { authorization: `Bearer ${token}` } };
    const asking = request(`${url}/metrics`, options, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (chunk: string) => {
        text += chunk;
      });
      response.once("end", () => (response.statusCode === 200 ? resolve(text) : reject(new Error(text))));
    });
    asking.once("error", reject);
    asking.end();
  });
}
