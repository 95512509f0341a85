import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { KubernetesObject } from "../../lib/api/object.ts";
import { installInto } from "../../lib/cli/install-cluster.ts";
import { type ControlPlane, startControlPlane } from "../../lib/host/control-plane/control-plane.ts";
import { freePort } from "../../lib/host/free-port.ts";
import { kustomizeBinary } from "../../lib/kustomize/binary.ts";
import { connectTo, installKinds } from "../bed/installed.ts";
import { sopsPrograms } from "../bed/sops/sops.ts";
import { openSopsWorkshop, type SopsWorkshop } from "../bed/sops/workshop.ts";
import { messageOf } from "../bed/sources.ts";
import { conditionOf, configMap, openWorkspace, type Workspace } from "../bed/workspace.ts";
import { type MortalSluice, startMortalSluice } from "./mortal-sluice.ts";

let directory: string;
let plane: ControlPlane;
let workshop: SopsWorkshop;
let sluice: MortalSluice;
let owner: Workspace;
let other: Workspace;
let recipient: string;
/** While it exists, the next run of kustomize waits. */
const hold = () => join(directory, "hold");
const scratch = () => join(directory, "tmp");
const before = { kubectl: process.env.SLUICE_KUBECTL, tmp: process.env.TMPDIR };

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "sluice-leftovers-"));
  const kubectl = join(directory, "kubectl");
  const script = `#!/bin/sh\nwhile [ -e ${hold()} ]; do /bin/sleep 0.1; done\nexec ${await kustomizeBinary()} "$@"\n`;
  await writeFile(kubectl, script, { mode: 0o755 });
  await mkdir(scratch());
  workshop = await openSopsWorkshop(await sopsPrograms(() => undefined));
  plane = await startControlPlane({ directory: join(directory, "plane") });
  await installKinds(plane);
  // Of each process of Sluice to come: it is started again after its death.
  Object.assign(process.env, { SLUICE_KUBECTL: kubectl, TMPDIR: scratch() });
  const data = join(directory, "data");
  const address = { port: await freePort(), kubeconfig: plane.kubeconfig, apiServer: plane.url };
  const logFile = join(directory, "sluice.log");
  sluice = await startMortalSluice({ directory: data, ...address, twice: false, logFile });
  const { endpoint, certificateAuthority } = sluice;
  const seed = (await readFile(join(data, "secrets", "admission-seed"), "utf8")).trim();
  await installInto(connectTo(plane), { clusterId: "faults", admission: { endpoint, certificateAuthority, seed } });
  const running = { cluster: plane, endpoint, certificateAuthority };
  owner = await openWorkspace("owner", { sluice: running });
  other = await openWorkspace("other", { sluice: running });
  const keys = await workshop.ageKey();
  recipient = keys.recipient;
  const secret = {
    apiVersion: "v1",
    kind: "Secret",
    metadata: { name: "keys" },
    stringData: { "a.agekey": keys.identity },
  };
  await owner.create(secret as KubernetesObject);
}, 900_000);

afterAll(async () => {
  restore();
  await Promise.all([owner?.close(), other?.close()]);
  await sluice?.stop();
  await plane?.stop();
  await workshop?.close();
  await rm(directory, { recursive: true, force: true });
});

function restore(): void {
  for (const [name, value] of [
    ["SLUICE_KUBECTL", before.kubectl],
    ["TMPDIR", before.tmp],
  ] as const) {
    if (value === undefined) delete process.env[name];
    else process.env[name] = value;
  }
}

async function encrypted(text: string, args: string[] = []): Promise<string> {
  const type = args.length === 0 ? "binary" : "yaml";
  return (await workshop.encrypt(text, type, ["--age", recipient, ...args])).toString();
}

/** Every file below a directory that has one of the texts, clear or in base64; archives are inflated. */
async function holding(root: string, texts: readonly string[]): Promise<string[]> {
  const patterns = texts.flatMap((text) => [
    text,
    Buffer.from(text).toString("base64").replace(/=+$/, "").slice(0, -1),
  ]);
  const entries = await readdir(root, { recursive: true, withFileTypes: true });
  const found = entries
    .filter((entry) => entry.isFile())
    .map(async ({ parentPath, name }) => {
      const path = join(parentPath, name);
      const content = await readFile(path).catch(() => Buffer.alloc(0));
      const plain = (content[0] === 0x1f && content[1] === 0x8b ? gunzipSync(content) : content).toString("latin1");
      return patterns.some((pattern) => plain.includes(pattern)) ? [path.slice(root.length)] : [];
    });
  return (await Promise.all(found)).flat();
}

const decryption = { provider: "sops", secretRef: { name: "keys" } } as const;
const generator = (name: string, more = {}) =>
  JSON.stringify({
    generatorOptions: { disableNameSuffixHash: true },
    secretGenerator: [{ name, files: ["token.encrypted"] }],
    ...more,
  });

describe("what an invocation that died has left", () => {
  it("SN-03, TM-006: is gone before another tenant's build, of whatever kind, and is in no later one", async () => {
    const repository = await owner.repository({
      "kustomization.yaml": generator("held"),
      "token.encrypted": await encrypted("left-over-1"),
    });
    await owner.gitRepository("source", repository.url);
    await owner.untilReady("GitRepository", "source");
    await other.gitRepository("source", (await other.repository({ "app.yaml": configMap("app", {}) })).url);
    await other.untilReady("GitRepository", "source");
    await writeFile(hold(), "");
    await owner.kustomization("held", { decryption });
    await expect.poll(() => holding(scratch(), ["left-over-1"]), { timeout: 30_000 }).not.toEqual([]);
    const left = (await readdir(scratch())).find((name) => name.startsWith("sluice-build-")) ?? "none";

    // The process dies in the middle of that build, as it begins to look at something of somebody else.
    const deaths = sluice.deaths();
    sluice.arm({ call: "GET /apis/kustomize.toolkit.fluxcd.io/v1/kustomizations/app", count: 1, when: "before" });
    await other.kustomization("app");
    await expect.poll(() => sluice.deaths(), { timeout: 20_000 }).toBeGreaterThan(deaths);
    expect(existsSync(join(scratch(), left))).toBe(true);
    await sluice.alive();
    // Its build needs no kustomize.
    await other.untilReady("Kustomization", "app");
    expect(existsSync(join(scratch(), left))).toBe(false);
    await rm(hold());
    await owner.untilReady("Kustomization", "held", 60);
    expect(await holding(scratch(), ["left-over-1"])).toEqual([]);
    expect(JSON.stringify((await owner.find("Secret", "held"))?.data)).toContain(
      Buffer.from("left-over-1").toString("base64"),
    );
  }, 120_000);

  it("SN-03, KS-105, TM-006: nor is it in data, journal, records, logs, events and statuses, of passes that fail neither", async () => {
    const secret = (metadata: object, text: string) =>
      encrypted(JSON.stringify({ apiVersion: "v1", kind: "Secret", metadata, stringData: { text } }), [
        "--encrypted-regex",
        "^(data|stringData)$",
      ]);
    const repository = await owner.repository({
      "build/kustomization.yaml": generator("build", {
        replacements: [{ source: { kind: "None", name: "none" }, targets: [] }],
        resources: ["none.yaml"],
      }),
      "build/token.encrypted": await encrypted("left-over-2"),
      "refused/secret.yaml": await secret({ name: "Refused_name" }, "left-over-3"),
      "elsewhere/secret.yaml": await secret({ name: "elsewhere", labels: { variable: `\${none}` } }, "left-over-4"),
      "patched/kustomization.yaml": JSON.stringify({ resources: ["app.yaml"], patches: [{ path: "patch.yaml" }] }),
      "patched/app.yaml": configMap("patched", {}),
      "patched/patch.yaml": await encrypted(configMap("nobody", { text: "left-over-5" }), [
        "--encrypted-regex",
        "^data$",
      ]),
      "applied/secret.yaml": await secret({ name: "applied" }, "left-over-6"),
    });
    await owner.gitRepository("failing", repository.url);
    await owner.untilReady("GitRepository", "failing");
    const sourceRef = { kind: "GitRepository" as const, name: "failing" };
    const messages: string[] = [];
    for (const path of ["build", "refused", "elsewhere", "patched", "applied"]) {
      const postBuild = path === "elsewhere" ? { postBuild: { substitute: { some: "x" } } } : {};
      await owner.kustomization(path, { path: `./${path}`, sourceRef, decryption, retryInterval: "1h", ...postBuild });
      const ended = await owner.until(
        "Kustomization",
        path,
        ({ status }) => /True|False/.test(conditionOf(status, "Ready")?.status ?? ""),
        60,
      );
      messages.push(`${conditionOf(ended.status, "Ready")?.reason}: ${messageOf(ended)}`);
    }
    expect(messages).toEqual([
      expect.stringMatching(/^BuildFailed: /),
      expect.stringMatching(/^ReconciliationFailed: .*Refused_name/),
      expect.stringMatching(/^BuildFailed: .*none/),
      expect.stringMatching(/^BuildFailed: .*nobody/),
      expect.stringMatching(/^ReconciliationSucceeded: /),
    ]);
    const texts = Array.from({ length: 6 }, (_, index) => `left-over-${index + 1}`);
    const listed = await Promise.all(
      ["/api/v1/namespaces/%/events", "/apis/kustomize.toolkit.fluxcd.io/v1/namespaces/%/kustomizations"].map((path) =>
        owner.client.request({ method: "GET", path: path.replace("%", owner.namespace) }),
      ),
    );
    for (const text of texts) expect(JSON.stringify([listed, messages])).not.toContain(text);
    expect(await holding(join(directory, "data"), texts)).toEqual([]);
    expect(await holding(scratch(), texts)).toEqual([]);
    const log = await readFile(join(directory, "sluice.log"), "utf8");
    expect(log).toContain('"name":"applied"');
    expect(texts.filter((text) => log.includes(text))).toEqual([]);
    // What was looked through has what it is to have, but for that: messages, records and artifacts.
    const journal = (name: string) => readFile(join(directory, "data", `${name}.journal`), "utf8");
    expect(await journal("queue")).toContain(owner.namespace);
    expect(await journal("records")).toContain(`applied/faults/Kustomization/${owner.namespace}/applied`);
    expect(await holding(join(directory, "data"), ["ENC[AES256_GCM"])).toContainEqual(
      expect.stringMatching(/tar\.gz$/),
    );
  }, 120_000);
});
