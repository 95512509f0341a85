import https from "node:https";
import { syncBuiltinESMExports } from "node:module";
import type { Platform } from "../../lib/platform/ports.ts";

/**
 * A place at which a process can be killed: a call of a port or of the API server, by name and by how often it came since the
 * points were last counted; `before` the call is made, or `after` it was answered and before the answer is used.
 */
export type CrashPoint = { call: string; count: number; when: "before" | "after" };

/** Counts calls, and kills the process at the one that is armed. */
export type CrashPoints = {
  /** Starts to count anew; kills at the point, if one is given. */
  arm(point?: CrashPoint): void;
  /** Calls since `arm`, in the order in which they began. */
  seen(): string[];
  /** Makes every call of the platform's ports a point. */
  wrap<P extends Platform>(platform: P): P;
};

/** Calls that change something: dying after one of them is another thing than dying before the next. */
export function changes(call: string): boolean {
  return !/^(GET|LIST) |\.(get|head|list|read|link)( |$)| \(dry run\)$/.test(call);
}

/**
 * Points for this process. Nothing in the product knows of it: ports are wrapped from outside, and requests are seen where Node
 * sends them. The process ends by SIGKILL, so that nothing of it can tidy up.
 */
export function crashPoints(isApiServer: (url: URL) => boolean): CrashPoints {
  let armed: CrashPoint | undefined;
  let calls: string[] = [];

  const began = (call: string): number => {
    calls.push(call);
    const count = calls.filter((other) => other === call).length;
    reached(call, count, "before");
    return count;
  };
  const reached = (call: string, count: number, when: CrashPoint["when"]): void => {
    if (armed?.call !== call || armed.count !== count || armed.when !== when) return;
    process.kill(process.pid, "SIGKILL");
  };

  const { request } = https;
  const counting = (...args: Parameters<typeof request>) => {
    const [url, options] = args;
    const method = typeof options === "object" && "method" in options ? options.method : "GET";
    if (!(url instanceof URL) || !isApiServer(url)) return request(...args);
    // Objects that come and go are told apart by a number: to the one that counts they are the same.
    const trial = url.searchParams.get("dryRun") === "All" ? " (dry run)" : "";
    const call = `${method} ${url.pathname.replaceAll(/\/namespaces\/[^/]+|-\d+\b/g, "")}${trial}`;
    const count = began(call);
    const sent = request(...args);
    sent.once("response", () => reached(call, count, "after"));
    return sent;
  };
  Object.assign(https, { request: counting });
  syncBuiltinESMExports();

  const wrapPort = <Port extends object>(name: string, port: Port): Port =>
    new Proxy(port, {
      get: (target, method) => {
        const value: unknown = Reflect.get(target, method);
        if (typeof value !== "function" || typeof method !== "string") return value;
        return async (...args: unknown[]) => {
          // A queue has a name, and a record a kind, by which its key begins.
          const [about] = name === "queue" || name === "records" ? String(args[0]).split("/", 1) : [];
          const call = `${name}.${method}${about === undefined ? "" : ` ${about}`}`;
          const count = began(call);
          const result: unknown = await Reflect.apply(value, target, args);
          reached(call, count, "after");
          return result;
        };
      },
    });

  return {
    arm: (point) => {
      armed = point;
      calls = [];
    },
    seen: () => [...calls],
    wrap: (platform) => ({
      ...platform,
      artifacts: wrapPort("artifacts", platform.artifacts),
      records: wrapPort("records", platform.records),
      queue: wrapPort("queue", platform.queue),
      secrets: wrapPort("secrets", platform.secrets),
    }),
  };
}
