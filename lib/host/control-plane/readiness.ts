import { Agent, request } from "node:https";
import { setTimeout as wait } from "node:timers/promises";
import type { ServerProcess } from "../server-process.ts";
import type { Credentials } from "./credentials.ts";

const patience = 90_000;

/** Resolves when the API server says that all its start-up work is done; rejects when one of the servers has ended instead. */
export function apiServerAnswers(credentials: Credentials, servers: ServerProcess[]): Promise<void> {
  return until("/readyz", credentials, servers);
}

/** Resolves when the controllers have shown that they work, by making the service account of the namespace "default". */
export function controllersWork(credentials: Credentials, servers: ServerProcess[]): Promise<void> {
  return until("/api/v1/namespaces/default/serviceaccounts/default", credentials, servers);
}

/** Asks for `path` until the answer is 200. */
async function until(path: string, credentials: Credentials, servers: ServerProcess[]): Promise<void> {
  const agent = new Agent({ keepAlive: true, ca: credentials.certificateAuthority });
  const deadline = Date.now() + patience;
  let last = "no answer";
  try {
    while (Date.now() < deadline) {
      const ended = servers.find((server) => !server.running());
      if (ended !== undefined) throw new Error(`${await ended.ended}:\n${await ended.logTail()}`);
      const status = await get(new URL(path, credentials.url), credentials.token, agent).catch((error: unknown) =>
        String(error),
      );
      if (status === 200) return;
      last = String(status);
      await wait(25);
    }
  } finally {
    agent.destroy();
  }
  const newest = servers.at(-1);
  throw new Error(`the control plane does not get ready (${path}: ${last}):\n${await newest?.logTail()}`);
}

function get(url: URL, token: string, agent: Agent): Promise<number> {
  return new Promise((resolve, reject) => {
    const asked = request(url, { agent, timeout: 5_000, headers: { authorization: `Bearer ${token}` } }, (response) => {
      response.resume();
      response.once("end", () => resolve(response.statusCode ?? 0));
    });
    asked.once("timeout", () => asked.destroy(new Error("time-out")));
    asked.once("error", reject);
    asked.end();
  });
}
