import type { IncomingMessage } from "node:http";
import type { Outbound } from "../platform/outbound.ts";
import { type ListedObject, type ObjectStore, ObjectStoreError, pageLimit, type ReadObject } from "./object-store.ts";
import { askStore, bodyOf, errorText, objectOf } from "./store-request.ts";
import { elementOf, elementsOf, textOf } from "./xml.ts";

/** A bucket of Google Cloud Storage (BKT-029). `token` is an access token; `base` is where the API is, for tests. */
export type GcsBucket = {
  bucket: string;
  token: (signal: AbortSignal) => Promise<string>;
  outbound: Outbound;
  base?: string;
};

/** One bucket by the JSON API of Google Cloud Storage, v1. */
export function gcsStore({ bucket, token, outbound, base = "https://storage.googleapis.com" }: GcsBucket): ObjectStore {
  const root = `${base}/storage/v1/b/${encodeURIComponent(bucket)}`;
  const send = (path: string, fields: Record<string, string>, signal: AbortSignal): Promise<IncomingMessage> => {
    const url = new URL(`${root}${path}`);
    for (const [name, value] of Object.entries(fields)) url.searchParams.set(name, value);
    const headers = async () => ({ authorization: `Bearer ${await token(signal)}` });
    return askStore({ method: "GET", url, headers }, outbound, signal);
  };
  const json = async (answer: IncomingMessage, signal: AbortSignal) =>
    parseJson((await bodyOf(answer, pageLimit, signal)).toString("utf8"));

  return {
    exists: async (signal) => {
      const answer = await send("", { alt: "json", projection: "full" }, signal);
      if (answer.statusCode === 200) {
        answer.destroy();
        return true;
      }
      if (answer.statusCode !== 404) throw await failureOf(answer);
      answer.destroy();
      return false;
    },
    list: async function* (prefix, signal) {
      let page = "";
      do {
        const fields = {
          alt: "json",
          fields: "nextPageToken,items(name,etag,generation,size)",
          ...(prefix === "" ? {} : { prefix }),
          ...(page === "" ? {} : { pageToken: page }),
        };
        const answer = await send("/o", fields, signal);
        if (answer.statusCode !== 200) throw await failureOf(answer);
        const result = await json(answer, signal);
        yield elementsOf(result.items).map(
          ({ name, etag, size, generation }): ListedObject => ({
            ...{ key: textOf(name), etag: textOf(etag), size: Number(size) || 0 },
            ...(generation === undefined ? {} : { generation: textOf(generation) }),
          }),
        );
        const next = textOf(result.nextPageToken);
        if (next !== "" && next === page)
          throw new ObjectStoreError("", `the listing of bucket '${bucket}' does not end`);
        page = next;
      } while (page !== "");
    },
    read: async ({ key, etag, generation }, limit, signal) => {
      const path = `/o/${encodeURIComponent(key)}`;
      let version = etag === undefined || generation === undefined ? undefined : { etag, generation };
      for (let attempt = 1; ; attempt++) {
        if (version === undefined) {
          const described = await send(path, { alt: "json", projection: "full" }, signal);
          if (described.statusCode === 404) return gone(described);
          if (described.statusCode !== 200) throw await failureOf(described);
          const fields = await json(described, signal);
          version = { etag: textOf(fields.etag), generation: textOf(fields.generation) };
        }
        const answer = await send(path, { alt: "media", ifGenerationMatch: version.generation }, signal);
        if (answer.statusCode === 404) return gone(answer);
        // It was written again in between: what is read must be what its etag is of (BKT-007).
        if (answer.statusCode === 412 && attempt < 4) {
          answer.destroy();
          version = undefined;
          continue;
        }
        if (answer.statusCode !== 200) throw await failureOf(answer);
        return { etag: version.etag, bytes: await objectOf(answer, limit, signal) };
      }
    },
  };
}

function gone(answer: IncomingMessage): ReadObject | undefined {
  answer.destroy();
  return undefined;
}

function parseJson(text: string): { [name: string]: unknown } {
  try {
    return elementOf(JSON.parse(text));
  } catch (error) {
    throw new ObjectStoreError("", "the object store's answer is not JSON", { cause: error });
  }
}

async function failureOf(answer: IncomingMessage): Promise<ObjectStoreError> {
  const text = await errorText(answer);
  const status = answer.statusCode ?? 0;
  const error = text.startsWith("{") ? elementOf(parseJson(text).error) : {};
  const words = textOf(error.message).slice(0, 500);
  return new ObjectStoreError(
    String(status),
    `googleapi: Error ${status}: ${words || "the object store gave no reason"}`,
  );
}
