import type { IncomingMessage, ServerResponse } from "node:http";
import { afterEach, describe, expect, it } from "vitest";
import { type StoreAnswer, type StoreServer, startStoreServer } from "../../test/bed/store-server.ts";
import { readArchive } from "../platform/archive/read-tar.ts";
import { azureBlobStore } from "./azure-blob.ts";
import { fetchObjects, selectObjects } from "./fetch-bucket.ts";
import { gcsStore } from "./gcs.ts";
import type { ObjectStore } from "./object-store.ts";
import { s3Store } from "./s3.ts";

const source = { bucket: "bucket", prefix: "" };
const xml = (name: string, content: string) => `<?xml version="1.0"?><${name}>${content}</${name}>`;
const object = (key: string) => `<Contents><Key>${key}</Key><ETag>"e"</ETag><Size>1</Size></Contents>`;

describe("a store that means ill", () => {
  let server: StoreServer | undefined;
  afterEach(async () => server?.stop());

  type Answer = (request: IncomingMessage & { url: string }, response: ServerResponse) => StoreAnswer | "answered";
  const serve = async (answer: Answer): Promise<ObjectStore> => {
    server = await startStoreServer(answer);
    return s3Store({ endpoint: server.host, bucket: "bucket", insecure: true, outbound: {} });
  };
  const listing = (answer: Answer) =>
    serve((request, response) => {
      if (request.method === "HEAD") return {};
      return request.url.includes("list-type") ? answer(request, response) : s3Missing;
    });
  const s3Missing = { status: 404, body: xml("Error", "<Code>NoSuchKey</Code>") };
  const credentials = async () => ({ accessKeyId: "AKID", secretAccessKey: "secret" });
  const select = (store: ObjectStore, milliseconds = 20_000) =>
    selectObjects(store, source, AbortSignal.timeout(milliseconds));

  it("BKT-011: a listing that repeats itself ends, and one that goes on without end ends at the timeout", async () => {
    const same = await listing(() => ({
      body: xml(
        "ListBucketResult",
        `${object("a")}<IsTruncated>true</IsTruncated><NextContinuationToken>t</NextContinuationToken>`,
      ),
    }));
    await expect(select(same)).rejects.toThrow(
      "indexation of objects from bucket 'bucket' failed: listing objects from bucket 'bucket' failed: the listing of bucket 'bucket' does not end",
    );
    await server?.stop();
    let page = 0;
    const endless = await listing(() => ({
      body: xml(
        "ListBucketResult",
        `<IsTruncated>true</IsTruncated><NextContinuationToken>${page++}</NextContinuationToken>`,
      ),
    }));
    await expect(select(endless, 500)).rejects.toThrow("failed: context deadline exceeded");
  });

  it("a bucket of more objects than fit is refused", async () => {
    let page = 0;
    const many = await listing(() => {
      const objects = Array.from({ length: 20_000 }, (_, number) => object(`${page}/${number}`)).join("");
      return {
        body: xml(
          "ListBucketResult",
          `${objects}<IsTruncated>true</IsTruncated><NextContinuationToken>${page++}</NextContinuationToken>`,
        ),
      };
    });
    await expect(select(many, 60_000)).rejects.toThrow("there are more than 200000 objects");
  });

  it("answers that are too large, nested without end, or bombs are refused", async () => {
    const entities = '<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;">';
    const bodies: [body: string, words: string][] = [
      [
        `<?xml version="1.0"?><!DOCTYPE x [${entities}]><ListBucketResult>&b;</ListBucketResult>`,
        "declares a document type",
      ],
      [`<!doctype x><ListBucketResult/>`, "declares a document type"],
      [xml("ListBucketResult", "x".repeat(17 * 1024 * 1024)), "larger than 16777216 bytes"],
      [`${"<a>".repeat(2_000_000)}`, "listing objects from bucket 'bucket' failed"],
    ];
    let current = "";
    const store = await listing(() => ({ body: current }));
    for (const [body, words] of bodies) {
      current = body;
      await expect(select(store)).rejects.toThrow(words);
    }
  });

  it("BKT-003, BKT-009: names and etags without end, and patterns without number, are refused", async () => {
    let current = "";
    let patterns: StoreAnswer = s3Missing;
    const store = await serve(({ method, url }) => {
      if (method === "HEAD") return {};
      return url.includes("list-type") ? { body: current } : patterns;
    });
    const endless = [object("k".repeat(2_000)), object("a").replace('"e"', `"${"e".repeat(2_000)}"`)];
    for (const content of endless) {
      current = xml("ListBucketResult", content);
      await expect(select(store)).rejects.toThrow("has a key or an etag of more than 1024 characters");
    }
    patterns = { body: "a\n".repeat(60_000) };
    await expect(select(store)).rejects.toThrow("there are more than 50000 patterns of files to ignore");
    current = xml("ListBucketResult", Array.from({ length: 20_000 }, (_, number) => object(`k${number}`)).join(""));
    patterns = { body: "*a*b*c*d*e*f\n".repeat(40_000) };
    const begun = performance.now();
    await expect(select(store, 500)).rejects.toThrow("failed: context deadline exceeded");
    expect(performance.now() - begun).toBeLessThan(5_000);
  });

  it("BKT-003: names and etags are read however a store writes them", async () => {
    const written = "<Contents><Key>a&amp;lt;&#39;&#x41;&lt;</Key><ETag>&#34;e&quot;</ETag><Size>1</Size></Contents>";
    const many = Array.from({ length: 5000 }, (_, number) => object(`&quot;${number}`)).join("");
    const store = await listing(() => ({ body: xml("ListBucketResult", written + many) }));
    const { objects } = await select(store);
    expect(objects.get("a&lt;'A<")).toEqual({ etag: "e", size: 1 });
    expect(objects.has('"4999')).toBe(true);
  });

  it("BKT-009: an ignore file that cannot be read fails, and a huge one is refused", async () => {
    let answer: StoreAnswer = {
      status: 403,
      body: xml("Error", "<Code>AccessDenied</Code><Message>Access Denied.</Message>"),
    };
    const store = await serve(({ method }) => (method === "HEAD" ? {} : answer));
    await expect(select(store)).rejects.toThrow("failed to get Etag for '.sourceignore' object: Access Denied.");
    answer = { body: "x\n".repeat(600_000) };
    await expect(select(store)).rejects.toThrow(
      "failed to get Etag for '.sourceignore' object: the server's answer is larger",
    );
  });

  it("a store that ends in the middle of an object, or is silent, is told", async () => {
    const store = await serve(({ method, url }, response) => {
      if (method === "HEAD") return {};
      if (url.includes("list-type")) return { body: xml("ListBucketResult", object("a")) };
      if (url.endsWith(".sourceignore")) return s3Missing;
      response.writeHead(200, { "content-length": "100", etag: '"e"' });
      response.write("half", () => response.destroy());
      return "answered";
    });
    const selection = await select(store);
    await expect(fetchObjects(store, source, selection, undefined, AbortSignal.timeout(20_000))).rejects.toThrow(
      "fetch from bucket 'bucket' failed: failed to get 'a' object: unexpected EOF",
    );
  });

  it("ART-019: large objects go to disk on their way, whether their length is told or not", async () => {
    const large = Buffer.alloc(20 * 1024 * 1024, "large ");
    const keys = ["a", "b", "c"];
    const store = await serve(({ method, url }, response) => {
      if (method === "HEAD") return {};
      if (url.includes("list-type")) return { body: xml("ListBucketResult", keys.map(object).join("")) };
      if (url.endsWith(".sourceignore")) return s3Missing;
      response.writeHead(200, { etag: '"e"', ...(url.endsWith("a") ? { "content-length": large.length } : {}) });
      response.end(large);
      return "answered";
    });
    const fetched = await fetchObjects(store, source, await select(store), undefined, AbortSignal.timeout(20_000));
    let files = 0;
    const limits = { total: 100_000_000, file: 100_000_000, entries: 10 };
    for await (const entry of readArchive(fetched.spool.stream(), limits, AbortSignal.timeout(20_000))) {
      expect(entry.type === "file" && entry.content.equals(large)).toBe(true);
      files++;
    }
    expect(files).toBe(3);
    fetched.spool.close();
  });

  it("BKT-006: a server error is tried again, a refusal is not", async () => {
    let tries = 0;
    const store = await serve(({ method }) => {
      if (method !== "HEAD") return s3Missing;
      return { status: ++tries < 3 ? 503 : 403 };
    });
    await expect(select(store)).rejects.toThrow("failed to confirm existence of 'bucket' bucket: Access Denied.");
    expect(tries).toBe(3);
  });

  it("BKT-021, BKT-022, TM-008: a redirect, or a region that is none, leads to nobody else", async () => {
    const elsewhere = await startStoreServer(() => ({}));
    for (const location of [`http://${elsewhere.host}/bucket`, "http://169.254.169.254/latest"]) {
      for (const region of ["evil.test/", "x@evil.test", "eu-central-1", "169.254.169.254"]) {
        const headers = { location, "x-amz-bucket-region": region };
        await serve(() => ({ status: 307, headers }));
        const host = server?.host ?? "";
        const stores = [
          s3Store({ endpoint: host, bucket: "bucket", insecure: true, outbound: {}, credentials }),
          azureBlobStore({
            endpoint: `http://${host}`,
            container: "bucket",
            access: { type: "anonymous" },
            outbound: {},
          }),
          gcsStore({ bucket: "bucket", token: async () => "t", outbound: {}, base: `http://${host}` }),
        ];
        for (const store of stores) await expect(select(store)).rejects.toThrow(/307/);
        await server?.stop();
        server = undefined;
      }
    }
    expect(elsewhere.seen).toEqual([]);
    await elsewhere.stop();
  });

  it.each(["169.254.169.254", "[fe80::1]", "2852039166", "0xa9.254.169.254"])(
    "TM-008: the address %s is not asked, by any provider",
    async (host) => {
      const stores = [
        s3Store({ endpoint: host, bucket: "bucket", insecure: true, outbound: {} }),
        azureBlobStore({
          endpoint: `http://${host}`,
          container: "bucket",
          access: { type: "anonymous" },
          outbound: {},
        }),
        gcsStore({ bucket: "bucket", token: async () => "t", outbound: {}, base: `http://${host}` }),
      ];
      for (const store of stores) await expect(select(store)).rejects.toThrow("is not to be reached");
    },
  );

  it("BKT-021: a host that is none, or a bucket's name that leads elsewhere, is refused", async () => {
    for (const endpoint of ["", "user:canary@host", "host?x", "host#x", "a b"])
      expect(() => s3Store({ endpoint, bucket: "bucket", insecure: false, outbound: {} })).toThrow(
        "does not follow ip address or domain name standards",
      );
    expect(() =>
      s3Store({ endpoint: "user:canary@host", bucket: "bucket", insecure: false, outbound: {} }),
    ).not.toThrow("canary");
    for (const endpoint of ["host/path", "http://host"])
      expect(() => s3Store({ endpoint, bucket: "bucket", insecure: false, outbound: {} })).toThrow(
        "Endpoint url cannot have fully qualified paths.",
      );
    for (const bucket of ["..", "a/b", "../x", "a b", "", "x?y", "1.2.3.4"]) {
      const store = s3Store({ endpoint: "host", bucket, insecure: false, outbound: {} });
      await expect(store.exists(AbortSignal.timeout(1000))).rejects.toThrow("Bucket name");
    }
  });
});
