import type { IncomingMessage } from "node:http";
import type { Outbound } from "../platform/outbound.ts";
import { azureSharedKey } from "./azure-shared-key.ts";
import { type ListedObject, type ObjectStore, ObjectStoreError, pageLimit } from "./object-store.ts";
import { askStore, bodyOf, errorText, objectOf } from "./store-request.ts";
import { type Element, elementOf, elementsOf, parseXml, textOf } from "./xml.ts";

/** What proves to Azure who asks (BKT-027, BKT-028). A shared access signature is part of the query, and told to nobody. */
export type AzureAccess =
  | { type: "anonymous" }
  | { type: "token"; token: (signal: AbortSignal) => Promise<string> }
  | { type: "sharedKey"; account: string; key: string }
  | { type: "signature"; query: string };

/** A container of Azure Blob Storage. `endpoint` is a URL, whose own query stays. */
export type AzureContainer = { endpoint: string; container: string; access: AzureAccess; outbound: Outbound };

const version = "2023-11-03";

/** One container by the REST API of Azure Blob Storage. Throws ObjectStoreError for an endpoint that is no URL. */
export function azureBlobStore({ endpoint, container, access, outbound }: AzureContainer): ObjectStore {
  const base = endpointUrl(endpoint, access);
  const send = (path: string, fields: Record<string, string>, signal: AbortSignal): Promise<IncomingMessage> => {
    const url = new URL(base);
    const whole = `${base.pathname.replace(/\/$/, "")}/${path}`;
    for (const [name, value] of Object.entries(fields)) url.searchParams.set(name, value);
    const headers = async (): Promise<Record<string, string>> => {
      const plain = { "x-ms-version": version, "x-ms-date": new Date().toUTCString() };
      if (access.type === "token" && base.protocol !== "https:")
        throw new ObjectStoreError(
          "",
          "authenticated requests are not permitted for non TLS protected (https) endpoints",
        );
      if (access.type === "token") return { ...plain, authorization: `Bearer ${await access.token(signal)}` };
      if (access.type === "sharedKey")
        return { ...plain, authorization: azureSharedKey(access, { method: "GET", path: whole, url, headers: plain }) };
      return plain;
    };
    return askStore(
      { method: "GET", url, path: `${whole}${url.search.replaceAll("+", "%20")}`, headers },
      outbound,
      signal,
    );
  };
  const segment = encodeURIComponent(container);
  const page = async (fields: Record<string, string>, signal: AbortSignal): Promise<Element> => {
    const answer = await send(segment, { restype: "container", comp: "list", ...fields }, signal);
    if (answer.statusCode !== 200) throw await failureOf(answer);
    return elementOf((await parseXml((await bodyOf(answer, pageLimit, signal)).toString("utf8"))).EnumerationResults);
  };

  return {
    exists: async (signal) => {
      try {
        await page({ maxresults: "1" }, signal);
        return true;
      } catch (error) {
        if (!(error instanceof ObjectStoreError)) throw error;
        if (error.code === "ContainerNotFound") return false;
        if (error.code !== "AuthenticationFailed") throw error;
        const words =
          "the specified bucket name may be incorrect, nonexistent, or the caller might lack sufficient permissions to access it";
        throw new ObjectStoreError(error.code, `${words}: ${error.message}`, { cause: error });
      }
    },
    list: async function* (prefix, signal) {
      let marker = "";
      do {
        const fields = { ...(prefix === "" ? {} : { prefix }), ...(marker === "" ? {} : { marker }) };
        const result = await page(fields, signal);
        yield elementsOf(elementOf(result.Blobs).Blob).map(listed);
        const next = textOf(result.NextMarker);
        if (next !== "" && next === marker)
          throw new ObjectStoreError("", `the listing of bucket '${container}' does not end`);
        marker = next;
      } while (marker !== "");
    },
    read: async ({ key }, limit, signal) => {
      // One segment, slashes and all, as Azure's own client has it.
      const answer = await send(`${segment}/${encodeURIComponent(key)}`, {}, signal);
      if (answer.statusCode !== 200) {
        const failure = await failureOf(answer);
        if (failure.code === "BlobNotFound") return undefined;
        throw failure;
      }
      const etag = answer.headers.etag ?? "";
      return { etag, bytes: await objectOf(answer, limit, signal) };
    },
  };
}

/**
 * BKT-003: what an artifact's revision says of a blob is the header of its download, quotes and all. A listing gives the same
 * value, without them on most accounts.
 */
function listed({ Name, Properties }: Element): ListedObject {
  const properties = elementOf(Properties);
  const etag = textOf(properties.Etag ?? properties.ETag);
  return {
    key: textOf(Name),
    etag: etag.startsWith('"') ? etag : `"${etag}"`,
    size: Number(textOf(properties["Content-Length"])) || 0,
  };
}

/** The signature wins over what the endpoint's own query has of the same name. */
function endpointUrl(endpoint: string, access: AzureAccess): URL {
  if (!URL.canParse(endpoint)) throw new ObjectStoreError("", "unable to parse endpoint URL");
  const url = new URL(endpoint);
  if (access.type !== "signature") return url;
  for (const [name, value] of new URLSearchParams(access.query.replace(/^\?/, ""))) url.searchParams.set(name, value);
  return url;
}

async function failureOf(answer: IncomingMessage): Promise<ObjectStoreError> {
  const text = await errorText(answer);
  const header = answer.headers["x-ms-error-code"];
  const error = /<Error>/.test(text) ? elementOf((await parseXml(text)).Error) : {};
  const code = typeof header === "string" ? header : textOf(error.Code);
  const [words = ""] = textOf(error.Message).split("\n");
  return new ObjectStoreError(
    code,
    `${code || "the object store"}: ${answer.statusCode}${words === "" ? "" : `: ${words.slice(0, 500)}`}`,
  );
}
