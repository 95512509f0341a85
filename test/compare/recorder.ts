import { once } from "node:events";
import { createServer } from "node:http";
import { text } from "node:stream/consumers";

/** An event as it is told to a notification controller or, by a Provider of type `generic`, to a webhook. */
export type PostedEvent = {
  involvedObject: { kind: string; namespace: string; name: string; apiVersion: string };
  severity: string;
  reason: string;
  message: string;
  metadata?: Record<string, string>;
  reportingController: string;
};

/** A webhook that remembers what it was told, apart for each path. */
export type Recorder = {
  /** `http://127.0.0.1:<port>` */
  url: string;
  /** What was posted to a path so far. */
  told(path: string): PostedEvent[];
  stop(): Promise<void>;
};

/** Starts it on the loopback interface. */
export async function startRecorder(): Promise<Recorder> {
  const all = new Map<string, PostedEvent[]>();
  const told = (path: string): PostedEvent[] => {
    const events = all.get(path) ?? [];
    all.set(path, events);
    return events;
  };
  const server = createServer((request, response) => {
    void text(request).then((body) => {
      const event: unknown = JSON.parse(body);
      if (isEvent(event)) told((request.url ?? "").replace(/\/$/, "")).push(event);
      response.end();
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  return {
    url: `http://127.0.0.1:${typeof address === "object" ? address?.port : ""}`,
    told,
    stop: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

function isEvent(value: unknown): value is PostedEvent {
  return typeof value === "object" && value !== null && "involvedObject" in value && "reason" in value;
}
