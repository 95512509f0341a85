import { expect, it } from "vitest";
import { azureSharedKey } from "./azure-shared-key.ts";

/** Requests of Azure's client for Go (azblob 1.8.3), and its signatures of them. */
it.each([
  [
    "/my-container?a=1&b=2&comp=list&prefix=de%20ploy%2F&restype=container",
    "NFH2gQAx2YTsquOPJgnZ4NRUuzMrBwIoZ80gaYlGCTk=",
  ],
  ["/my-container/a%20b%2Fc+d%2F%C3%BC.yaml?a=1&b=2", "zpKZhdhDUXBW8IRaEF3WH5LJEf3sG/0u3H2Sb9+dLnQ="],
])("BKT-027: signs %s as Azure's own client does", (target, signature) => {
  const headers = { "x-ms-version": "2026-12-06", "x-ms-date": "Wed, 25 Nov 2026 08:37:42 GMT" };
  const key = { account: "account", key: "c2VjcmV0IGtleSBvZiB0aGUgYWNjb3VudA==" };
  const url = new URL(target, "http://account.blob.core.windows.net");
  const path = target.replace(/\?.*/, "");
  expect(azureSharedKey(key, { method: "GET", path, url, headers })).toBe(`SharedKey account:${signature}`);
});
