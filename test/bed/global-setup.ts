import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestProject } from "vitest/node";
import { type Part, parts } from "./parts.ts";

declare module "vitest" {
  interface ProvidedContext {
    /** Where the test processes ask for the parts of the bed: `<bedUrl>/<part>`. */
    bedUrl: string;
  }
}

function log(line: string): void {
  process.stderr.write(`test bed: ${line}\n`);
}

/**
 * Makes the one bed of a run of `npm test`. What takes minutes on a new machine is done here; a part starts when the first
 * test asks for it, and a part that fails gives every test that asks the same reason. Returns what ends it all.
 */
export default async function setUp(project: TestProject): Promise<() => Promise<void>> {
  const directory = await mkdtemp(join(tmpdir(), "sluice-bed-"));
  const known = new Map<string, Part<unknown>>(Object.entries(parts));
  for (const part of known.values()) await part.prepare?.(log);
  const started = new Map<string, Promise<{ value: unknown; stop(): Promise<void> }>>();
  const start = async (name: string, part: Part<unknown>): Promise<{ value: unknown; stop(): Promise<void> }> => {
    await mkdir(join(directory, name), { recursive: true });
    return part.start(join(directory, name), log);
  };
  // The answers hold credentials: only who knows the path may ask.
  const secret = randomBytes(16).toString("hex");
  const server = createServer((request, response) => {
    const [, given, name = ""] = (request.url ?? "").split("/");
    const part = known.get(name);
    if (given !== secret || part === undefined) {
      response.writeHead(404).end(`the bed has no part "${name}"`);
      return;
    }
    const running = started.get(name) ?? start(name, part);
    started.set(name, running);
    running.then(
      ({ value }) => response.setHeader("content-type", "application/json").end(JSON.stringify(value)),
      (error: unknown) => response.writeHead(500).end(error instanceof Error ? error.message : String(error)),
    );
  });
  server.requestTimeout = 0;
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the bed has no port");
  project.provide("bedUrl", `http://127.0.0.1:${address.port}/${secret}`);
  return async () => {
    server.close();
    server.closeAllConnections();
    for (const running of [...started.values()].toReversed()) {
      const part = await running.catch(() => undefined);
      await part?.stop();
    }
    await rm(directory, { recursive: true, force: true, maxRetries: 3 });
  };
}
