import { createHash, generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { freePort } from "../host/free-port.ts";
import { fetchTrustedRoot } from "./sigstore-tuf.ts";

const hour = 60 * 60 * 1000;

/** JSON with sorted keys, which TUF signs. */
function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const entries = Object.entries(value).sort(([one], [other]) => (one < other ? -1 : 1));
  return `{${entries.map(([key, one]) => `${JSON.stringify(key)}:${canonical(one)}`).join(",")}}`;
}

const sha256 = (text: string | Buffer) => createHash("sha256").update(text).digest("hex");

describe("the trusted root by TUF", () => {
  let server: Server;
  let directory: string;
  let repository: { mirrorUrl: string; rootPath: string };
  const files = new Map<string, string>();
  const { privateKey, publicKey } = generateKeyPairSync("ed25519");

  const signed = (part: Record<string, unknown>, key: KeyObject = privateKey) => {
    const body = { spec_version: "1.0.31", version: 1, expires: new Date(Date.now() + hour).toISOString(), ...part };
    const signature = sign(null, Buffer.from(canonical(body)), key).toString("hex");
    return JSON.stringify({ signatures: [{ keyid: "key", sig: signature }], signed: body });
  };
  /** Publishes a trusted root; parts of the metadata may be other than they should be. */
  const publish = (target: string, more: { served?: string; expires?: string; key?: KeyObject } = {}) => {
    const targets = signed({
      _type: "targets",
      targets: { "trusted_root.json": { length: target.length, hashes: { sha256: sha256(target) } } },
    });
    const snapshot = signed({ _type: "snapshot", meta: { "targets.json": { version: 1 } } });
    const expiry = more.expires === undefined ? {} : { expires: more.expires };
    files.set(
      "timestamp.json",
      signed({ _type: "timestamp", meta: { "snapshot.json": { version: 1 } }, ...expiry }, more.key),
    );
    files.set("1.snapshot.json", snapshot);
    files.set("1.targets.json", targets);
    files.set(`targets/${sha256(target)}.trusted_root.json`, more.served ?? target);
  };

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "sluice-tuf-test-"));
    const role = { keyids: ["key"], threshold: 1 };
    const value = publicKey.export({ type: "spki", format: "der" }).subarray(-32).toString("hex");
    const root = signed({
      _type: "root",
      consistent_snapshot: true,
      keys: { key: { keytype: "ed25519", scheme: "ed25519", keyval: { public: value } } },
      roles: { root: role, timestamp: role, snapshot: role, targets: role },
    });
    const rootPath = join(directory, "root.json");
    await writeFile(rootPath, root);
    server = createServer(({ url = "" }, response) => {
      const text = files.get(url.slice(1));
      response.writeHead(text === undefined ? 404 : 200).end(text);
    });
    await once(server.listen(0, "127.0.0.1"), "listening");
    const place = server.address();
    repository = { mirrorUrl: `http://127.0.0.1:${typeof place === "object" ? place?.port : ""}`, rootPath };
  });
  beforeEach(() => files.clear());
  afterAll(async () => {
    server.closeAllConnections();
    server.close();
    await rm(directory, { recursive: true, force: true });
  });

  it("VER-010: takes what the repository's keys vouch for, and leaves nothing behind", async () => {
    publish("{}");
    const before = (await readdir(tmpdir())).filter((name) => name.startsWith("sluice-tuf-") && !name.includes("test"));
    expect((await fetchTrustedRoot(repository)).toString()).toBe("{}");
    const after = (await readdir(tmpdir())).filter((name) => name.startsWith("sluice-tuf-") && !name.includes("test"));
    expect(after).toEqual(before);
  });

  it("VER-010: takes nothing that is of others' keys, has expired, or was changed", async () => {
    publish("{}", { key: generateKeyPairSync("ed25519").privateKey });
    await expect(fetchTrustedRoot(repository)).rejects.toThrow();
    publish("{}", { expires: new Date(Date.now() - hour).toISOString() });
    await expect(fetchTrustedRoot(repository)).rejects.toThrow("expired");
    publish("{}", { served: "[]" });
    await expect(fetchTrustedRoot(repository)).rejects.toThrow("error downloading target");
    publish("{}", { served: "x".repeat(10_000_000) });
    await expect(fetchTrustedRoot(repository)).rejects.toThrow("error downloading target");
  });

  it("VER-010: says that a repository cannot be reached", async () => {
    await expect(fetchTrustedRoot(repository)).rejects.toThrow();
    const mirrorUrl = `http://127.0.0.1:${await freePort()}`;
    await expect(fetchTrustedRoot({ ...repository, mirrorUrl })).rejects.toThrow("ECONNREFUSED");
  });
});
