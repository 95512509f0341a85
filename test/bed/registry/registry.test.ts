import { createHash } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Registry, startRegistry } from "./registry.ts";

let directory: string;
let registry: Registry;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "sluice-registry-"));
  registry = await startRegistry({ directory, log: console.error });
}, 900_000);

afterAll(async () => {
  await registry?.stop();
  await rm(directory, { recursive: true, force: true });
});

async function pushBlob(content: string): Promise<string> {
  const digest = `sha256:${createHash("sha256").update(content).digest("hex")}`;
  const begun = await fetch(`${registry.url}/v2/team/app/blobs/uploads/`, { method: "POST" });
  const upload = new URL(begun.headers.get("location") ?? "", registry.url);
  upload.searchParams.set("digest", digest);
  const stored = await fetch(upload, {
    method: "PUT",
    body: content,
    headers: { "content-type": "application/octet-stream" },
  });
  expect(stored.status).toBe(201);
  return digest;
}

describe("the registry of the test bed", () => {
  it("test bed: what is pushed can be pulled by tag (OCI distribution specification)", async () => {
    const mediaType = "application/vnd.oci.image.manifest.v1+json";
    const digest = await pushBlob("{}");
    const descriptor = { mediaType: "application/vnd.oci.empty.v1+json", digest, size: 2 };
    const manifest = JSON.stringify({ schemaVersion: 2, mediaType, config: descriptor, layers: [descriptor] });
    const reference = `${registry.url}/v2/team/app/manifests/v1`;
    const pushed = await fetch(reference, { method: "PUT", body: manifest, headers: { "content-type": mediaType } });
    expect(pushed.status).toBe(201);
    const pulled = await fetch(reference, { headers: { accept: mediaType } });
    expect(await pulled.text()).toBe(manifest);
    expect(await (await fetch(`${registry.url}/v2/team/app/tags/list`)).json()).toEqual({
      name: "team/app",
      tags: ["v1"],
    });
  });
});
