import { generateKeyPairSync } from "node:crypto";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import {
  type BucketClouds,
  canary,
  failureOf,
  openBucketClouds,
  secretData,
  selected,
} from "../../../test/bed/bucket-clouds.ts";
import { fetchObjects, selectObjects } from "../../bucket/fetch-bucket.ts";
import { openGcs } from "./gcs-access.ts";

const source = { bucket: "bucket", prefix: "" };
const signal = AbortSignal.timeout(120_000);
const { privateKey } = generateKeyPairSync("rsa", {
  modulusLength: 2048,
  privateKeyEncoding: { type: "pkcs8", format: "pem" },
  publicKeyEncoding: { type: "spki", format: "pem" },
});

let bed: BucketClouds;
beforeAll(async () => {
  bed = await openBucketClouds(["storage.googleapis.com", "oauth2.googleapis.com", "sts.googleapis.com"]);
  await bed.account("google", {
    "gcp.auth.fluxcd.io/workload-identity-provider":
      "projects/1/locations/global/workloadIdentityPools/pool/providers/sluice",
  });
});
beforeEach(() => {
  bed.seen.length = 0;
  bed.answers = {};
});
afterAll(() => bed?.close());

describe("Google Cloud Storage", () => {
  const gcp = { provider: "gcp", endpoint: "ignored.test" } as const;
  const key = JSON.stringify({
    type: "service_account",
    client_email: "a@b.iam.gserviceaccount.com",
    private_key: privateKey,
  });
  const root = "/storage/v1/b/bucket";

  it("BKT-007, BKT-029, SEC-006: a key in JSON, and reads of one generation", async () => {
    let overwritten = false;
    bed.answers = {
      "oauth2.googleapis.com": () => ({ json: { access_token: canary, expires_in: 3600 } }),
      "storage.googleapis.com": ({ path }) => {
        const url = new URL(path, "https://x");
        if (url.pathname === root) return { json: { name: "bucket" } };
        if (url.pathname === `${root}/o`)
          return url.searchParams.has("pageToken")
            ? { json: { items: [{ name: "a/b.yaml", etag: "E1", generation: "1", size: "1" }] } }
            : { json: { items: [{ name: "gone", etag: "E0", generation: "7" }], nextPageToken: "2" } };
        if (url.pathname !== `${root}/o/a%2Fb.yaml`) return undefined;
        if (url.searchParams.get("alt") === "json")
          return { json: overwritten ? { etag: "E2", generation: "2" } : { etag: "E1", generation: "1" } };
        if (url.searchParams.get("ifGenerationMatch") === "1") {
          overwritten = true;
          return { status: 412, json: {} };
        }
        return { text: "second" };
      },
    };
    const { store } = await bed.access(openGcs, gcp, { own: secretData({ serviceaccount: key }) });
    const selection = await selectObjects(store, source, signal);
    const { etags, spool } = await fetchObjects(store, source, selection, undefined, signal);
    spool.close();
    expect(etags).toEqual(new Map([["a/b.yaml", "E2"]]));
    const paths = bed.asked();
    expect(paths[0]).toBe("POST oauth2.googleapis.com/token");
    expect(paths.filter((line) => line.startsWith("POST"))).toHaveLength(1);
    const object = `GET storage.googleapis.com${root}/o/a%2Fb.yaml`;
    // The listing's generation first: what has not changed since takes one request.
    expect(paths.filter((line) => line.startsWith(object))).toEqual([
      `${object}?alt=media&ifGenerationMatch=1`,
      `${object}?alt=json&projection=full`,
      `${object}?alt=media&ifGenerationMatch=2`,
    ]);
    const assertion = new URLSearchParams(bed.seen[0]?.body).get("assertion") ?? "";
    const claims = JSON.parse(Buffer.from(assertion.split(".")[1] ?? "", "base64url").toString());
    expect(claims).toMatchObject({ scope: "https://www.googleapis.com/auth/devstorage.read_only" });
    expect(bed.seen[1]?.headers.authorization).toBe(`Bearer ${canary}`);
  });

  it("BKT-029, SEC-008: a workload identity, and what is no key", async () => {
    bed.answers = {
      "sts.googleapis.com": () => ({ json: { access_token: canary, expires_in: 3600 } }),
      "storage.googleapis.com": ({ path }) => (path.startsWith(`${root}?`) ? { status: 404, json: {} } : undefined),
    };
    const identity = { ...gcp, serviceAccountName: "google" };
    expect((await failureOf(bed.access(openGcs, identity).then(selected))).message).toBe("bucket 'bucket' not found");
    expect(bed.asked()[0]).toBe("POST sts.googleapis.com/v1/token");
    const words: [text: Record<string, string>, words: string][] = [
      [{ other: "x" }, "invalid 'keys' secret data: required fields 'serviceaccount'"],
      [{ serviceaccount: canary }, "failed to create Google credentials from secret 'keys': it is not valid JSON"],
      [{ serviceaccount: '{"type":"external_account"}' }, "credentials of type 'external_account' are not supported"],
    ];
    for (const [values, told] of words)
      expect((await failureOf(bed.access(openGcs, gcp, { own: secretData(values) }))).message).toContain(told);
  });
});
