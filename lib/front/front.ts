import { Hono } from "hono";
import type { ClusterConnections } from "../engine/clusters.ts";
import { createHookReceiver } from "../notify/receive.ts";
import type { Platform } from "../platform/ports.ts";
import { createAdmission } from "./admission.ts";
import { serveArtifact } from "./artifacts.ts";
import { readBody } from "./body.ts";

/** Everything that is reached from outside, as one application of the Fetch API. */
export type Front = { fetch(request: Request): Promise<Response> };

/** EI-002, RH-001: the longest webhook, in bytes. */
const hookBytes = 3 * 1024 * 1024;

/**
 * The HTTP front that the Lambda function and the local host share: webhooks for Receivers, artifacts, admission calls, and
 * whether it is ready to work. What is not one of these is 404, and no answer to a stranger says more than its status.
 */
export function createFront(
  platform: Platform,
  options: { connect: ClusterConnections; ready?: () => boolean; runtimeNamespace?: string },
): Front {
  const receiver = createHookReceiver(platform, options.connect, options.runtimeNamespace);
  const admission = createAdmission(platform, options);
  const app = new Hono();

  const hook = async (request: Request, clusterId?: string): Promise<Response> => {
    const body = await readBody(request, hookBytes);
    if (body === undefined) return new Response(null, { status: 413 });
    const url = new URL(request.url);
    const path = (clusterId === undefined ? url.pathname : url.pathname.slice(clusterId.length + 1)) + url.search;
    const headers = Object.fromEntries(request.headers);
    return new Response(null, { status: await receiver.receive({ path, headers, body }, clusterId) });
  };

  app.all("/hook/*", (c) => hook(c.req.raw));
  app.on(["GET", "HEAD"], "/artifacts/*", async (c) => {
    const answer = await serveArtifact(platform, c.req.raw);
    const from = c.req.header("x-forwarded-for");
    // The token stands for the right to read: it is not for logs.
    const path = c.req.path.replace(/^\/artifacts\/[^/]*/, "/artifacts/...").slice(0, 500);
    platform.log.info("an artifact was asked for", { path, from, status: answer.status });
    return answer;
  });
  app.post("/admission/:cluster/:token", (c) => admission(c.req.raw, c.req.param("cluster"), c.req.param("token")));
  app.get("/healthz", () => new Response(null, { status: (options.ready?.() ?? true) ? 200 : 503 }));
  app.all("/:cluster/hook/*", (c) => hook(c.req.raw, c.req.param("cluster")));
  app.notFound(() => new Response(null, { status: 404 }));
  app.onError((error) => {
    platform.log.error("a request could not be answered", { error: String(error) });
    return new Response(null, { status: 500 });
  });

  return { fetch: async (request) => app.fetch(request) };
}
