import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import {
  type BucketClouds,
  canary,
  failureOf,
  openBucketClouds,
  secretData,
  selected,
} from "../../../test/bed/bucket-clouds.ts";
import type { CloudRequestSeen } from "../../../test/bed/cloud-service.ts";
import { bucketRevision } from "../../bucket/bucket-revision.ts";
import { fetchObjects, selectObjects } from "../../bucket/fetch-bucket.ts";
import { openAzure } from "./azure-access.ts";

const blobs = "account.blob.core.windows.net";
const source = { bucket: "bucket", prefix: "" };
const signal = AbortSignal.timeout(120_000);

let bed: BucketClouds;
beforeAll(async () => {
  bed = await openBucketClouds([blobs, "login.microsoftonline.com", "login.microsoftonline.us", "minio.test"]);
  await bed.account("azure", { "azure.workload.identity/tenant-id": "t", "azure.workload.identity/client-id": "c" });
});
beforeEach(() => {
  bed.seen.length = 0;
  bed.answers = {};
});
afterAll(() => bed?.close());

describe("Azure", () => {
  const azure = { provider: "azure", endpoint: `https://${blobs}` } as const;
  const emptyList = { text: "<?xml version='1.0'?><EnumerationResults><Blobs/></EnumerationResults>" };
  const missing = { status: 404, headers: { "x-ms-error-code": "BlobNotFound" }, text: "" };
  const token = () => ({ json: { access_token: `token-${canary}`, expires_in: 3600 } });
  const lists = ({ path }: CloudRequestSeen) => (path.includes("comp=list") ? emptyList : missing);

  it("BKT-027, SEC-006: a service principal with a secret or a certificate, in the cloud that is named", async () => {
    bed.answers = { "login.microsoftonline.com": token, "login.microsoftonline.us": token, [blobs]: lists };
    const principal = { tenantId: "tenant", clientId: "client", clientSecret: canary };
    await selected(await bed.access(openAzure, azure, { own: secretData(principal) }));
    const us = { ...principal, authorityHost: "https://login.microsoftonline.us/" };
    await selected(await bed.access(openAzure, azure, { own: secretData(us) }));
    expect(bed.asked()).toEqual([
      "POST login.microsoftonline.com/tenant/oauth2/v2.0/token",
      `GET ${blobs}/bucket?restype=container&comp=list&maxresults=1`,
      `GET ${blobs}/bucket/.sourceignore`,
      `GET ${blobs}/bucket?restype=container&comp=list`,
      "POST login.microsoftonline.us/tenant/oauth2/v2.0/token",
      ...[`GET ${blobs}/bucket?restype=container&comp=list&maxresults=1`, `GET ${blobs}/bucket/.sourceignore`],
      `GET ${blobs}/bucket?restype=container&comp=list`,
    ]);
    const [first, listing] = bed.seen;
    expect(Object.fromEntries(new URLSearchParams(first?.body))).toEqual({
      grant_type: "client_credentials",
      client_id: "client",
      client_secret: canary,
      scope: "https://storage.azure.com/.default",
    });
    expect(listing?.headers).toMatchObject({ authorization: `Bearer token-${canary}`, "x-ms-version": "2023-11-03" });
  });

  it("BKT-027: an account's key, a signature that wins over the endpoint's query, and what is none of these", async () => {
    bed.answers = { [blobs]: lists };
    await selected(await bed.access(openAzure, azure, { own: secretData({ accountKey: "c2VjcmV0", sasKey: "x" }) }));
    expect(bed.seen[0]?.headers.authorization).toMatch(/^SharedKey account:[\w+/]{43}=$/);
    bed.seen.length = 0;
    const endpoint = `https://${blobs}/?sig=other&keep=1`;
    await selected(
      await bed.access(openAzure, { ...azure, endpoint }, { own: secretData({ sasKey: `?sv=1&sig=${canary}%2B` }) }),
    );
    expect(bed.asked()[0]).toBe(
      `GET ${blobs}/bucket?sig=${canary}%2B&keep=1&sv=1&restype=container&comp=list&maxresults=1`,
    );
    const refused: [values: Record<string, string>, words: string][] = [
      [
        { tenantId: "t" },
        "invalid 'keys' secret data: requires a 'clientId' or 'accountKey' field, a combination of 'tenantId', 'clientId' and 'clientSecret', or 'tenantId', 'clientId' and 'clientCertificate'",
      ],
      [{}, "invalid 'keys' secret data: requires a 'clientId' or 'accountKey' field"],
      [
        { clientId: "c" },
        "failed to create token credential from 'keys' Secret: the managed identity 'c' can be used within Azure only",
      ],
      [
        { tenantId: "../x", clientId: "c", clientSecret: canary },
        "failed to create token credential from 'keys' Secret: invalid tenantID",
      ],
      [
        { tenantId: "t", clientId: "c", clientCertificate: canary },
        "failed to create token credential from 'keys' Secret: clientCertificate: it holds no private key",
      ],
      [
        { tenantId: "t", clientId: "c", clientSecret: canary, authorityHost: "https://evil.test" },
        "is the authority of no cloud of Azure",
      ],
    ];
    for (const [values, words] of refused)
      expect((await failureOf(bed.access(openAzure, azure, { own: secretData(values) }))).message).toContain(words);
    const bare = await failureOf(
      bed.access(openAzure, { ...azure, endpoint: "https://localhost" }, { own: secretData({ accountKey: "YQ==" }) }),
    );
    expect(bare.message).toContain("expected 'localhost' to be a subdomain");
  });

  it("BKT-028, SEC-008: the identity of a service account goes to Azure's own hosts alone; without one nobody is asked as", async () => {
    bed.answers = { "login.microsoftonline.com": token, [blobs]: lists };
    const none = { ...azure };
    await selected(await bed.access(openAzure, { ...none, serviceAccountName: "azure" }));
    expect(new URLSearchParams(bed.seen[0]?.body).get("client_assertion")).toMatch(/^ey/);
    expect(bed.seen[1]?.headers.authorization).toBe(`Bearer token-${canary}`);
    bed.seen.length = 0;
    await selected(await bed.access(openAzure, none));
    expect(bed.seen.map(({ headers }) => headers.authorization)).toEqual([undefined, undefined, undefined]);
    const elsewhere = { ...none, endpoint: "https://minio.test", serviceAccountName: "azure" };
    expect((await failureOf(bed.access(openAzure, elsewhere))).message).toContain("'minio.test' is none of its hosts");
  });

  it("BKT-002, BKT-028, SEC-012: says what Azure says, and masks the signature", async () => {
    const own = secretData({ sasKey: `sv=1&sig=${canary}` });
    const fails = (code: string, status: number) => ({
      [blobs]: () => ({
        status,
        headers: { "x-ms-error-code": code },
        text: `<?xml version='1.0'?><Error><Code>${code}</Code><Message>Server failed to authenticate.\nRequestId:1</Message></Error>`,
      }),
    });
    bed.answers = fails("ContainerNotFound", 404);
    expect((await failureOf(bed.access(openAzure, azure, { own }).then(selected))).message).toBe(
      "bucket 'bucket' not found",
    );
    bed.answers = fails("AuthenticationFailed", 403);
    expect((await failureOf(bed.access(openAzure, azure, { own }).then(selected))).message).toBe(
      "failed to confirm existence of 'bucket' bucket: the specified bucket name may be incorrect, nonexistent, or the caller might lack sufficient permissions to access it: AuthenticationFailed: 403: Server failed to authenticate.",
    );
    expect((await bed.access(openAzure, azure, { own })).secrets).toContain(canary);
  });

  it("BKT-003, BKT-005: what a listing says of etags is what the downloads say, and the revision of both is the same", async () => {
    const blob = (name: string, etag: string) =>
      `<Blob><Name>${name}</Name><Properties><Etag>${etag}</Etag><Content-Length>1</Content-Length></Properties></Blob>`;
    bed.answers = {
      [blobs]: ({ path }) => {
        const found = /^\/bucket\/([^?]+)/.exec(path)?.[1];
        if (found === ".sourceignore") return missing;
        if (found !== undefined) return { headers: { etag: '"0x8D1"' }, text: decodeURIComponent(found) };
        const [first, second] = path.includes("marker=next%20page")
          ? [blob("b/c", "0x8D1"), ""]
          : [blob("a%b.yaml", "0x8D1"), "<NextMarker>next page</NextMarker>"];
        return {
          text: `<?xml version='1.0'?><EnumerationResults><Blobs>${first}</Blobs>${second}</EnumerationResults>`,
        };
      },
    };
    const { store } = await bed.access(openAzure, azure, { own: secretData({ sasKey: "sig=1" }) });
    const selection = await selectObjects(store, source, signal);
    const { etags, spool } = await fetchObjects(store, source, selection, undefined, signal);
    spool.close();
    expect(etags).toEqual(
      new Map([
        ["a%b.yaml", '"0x8D1"'],
        ["b/c", '"0x8D1"'],
      ]),
    );
    expect(
      bed
        .asked()
        .filter((line) => !line.includes("comp=list"))
        .sort(),
    ).toEqual([
      ...[`GET ${blobs}/bucket/.sourceignore?sig=1`, `GET ${blobs}/bucket/a%25b.yaml?sig=1`],
      `GET ${blobs}/bucket/b%2Fc?sig=1`,
    ]);
    const listed = new Map([...selection.objects].map(([key, { etag }]) => [key, etag]));
    expect(await bucketRevision(listed)).toBe(await bucketRevision(etags));
  });
});
