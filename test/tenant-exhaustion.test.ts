import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { GitRepository } from "../lib/host/git/repository.ts";
import { uniqueName } from "./bed/bed.ts";
import { messageOf } from "./bed/sources.ts";
import { conditionOf, configMap, openWorkspace, type Reconciled, type Workspace } from "./bed/workspace.ts";

let tenant: Workspace;
let neighbour: Workspace;
let repository: GitRepository;
let pushes = 0;

beforeAll(async () => {
  [tenant, neighbour] = await Promise.all([openWorkspace("greedy"), openWorkspace("neighbour")]);
  repository = await neighbour.repository({ "config.yaml": configMap("config", { push: "0" }) });
  await neighbour.gitRepository("source", repository.url);
  await neighbour.kustomization("app");
  await neighbour.untilReady("Kustomization", "app");
  await tenant.gitRepository("source", (await tenant.repository({ "app.yaml": configMap("app", {}) })).url);
  await tenant.kustomization("app");
  await tenant.untilReady("Kustomization", "app");
}, 60_000);

afterAll(() => Promise.all([tenant?.close(), neighbour?.close()]));

/** A push to the neighbour reaches the cluster, whatever goes on beside it; how long that took, in milliseconds. */
async function neighbourWorks(): Promise<number> {
  const push = String(++pushes);
  const before = performance.now();
  await repository.commit({ "config.yaml": configMap("config", { push }) });
  await neighbour.reconcile("GitRepository", "source");
  await neighbour.until("ConfigMap", "config", ({ data }) => JSON.stringify(data) === JSON.stringify({ push }), 60);
  return performance.now() - before;
}

/** A source and a Kustomization of the tenant, as either of them ended with a failure, or as the latter was applied. */
async function ended(files: Record<string, string>, spec: object, seconds: number): Promise<Reconciled> {
  const name = uniqueName("greedy");
  await tenant.gitRepository(name, (await tenant.repository({ "README.md": "", ...files })).url);
  const sourceRef = { kind: "GitRepository" as const, name };
  await tenant.kustomization(name, { path: "./app", sourceRef, retryInterval: "1h", timeout: "30s", ...spec });
  const giveUp = Date.now() + seconds * 1000;
  for (;;) {
    for (const kind of ["GitRepository", "Kustomization"] as const) {
      const object = await tenant.find(kind, name);
      const ready = conditionOf(object?.status, "Ready");
      const isOver = ready?.status === "False" && !/not found/.test(ready.message);
      if (object !== undefined && (isOver || (kind === "Kustomization" && ready?.status === "True"))) return object;
    }
    if (Date.now() > giveUp) throw new Error(`neither a failure nor an end within ${seconds} s`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** Bases that name two others each, down to one that is empty: what is read once for each way there is read 2^depth times. */
function diamonds(depth: number): Record<string, string> {
  const files: Record<string, string> = { "app/kustomization.yaml": JSON.stringify({ resources: ["../l0", "../r0"] }) };
  for (let level = 0; level < depth; level++)
    for (const side of ["l", "r"]) {
      const resources = level === depth - 1 ? [] : [`../l${level + 1}`, `../r${level + 1}`];
      files[`${side}${level}/kustomization.yaml`] = JSON.stringify({ namePrefix: side, resources });
    }
  return files;
}

const text = { "app/app.yaml": configMap("a".repeat(60), { text: `\${a//x/\${a//x/\${a//x/\${a}}}}` }) };
const patch = JSON.stringify([{ op: "add", path: "/metadata/labels", value: { patched: "yes" } }]);
const many = `[${Array.from({ length: 100 }, (_, index) => index).join(",")}]`;
const every = `${many}.all(a, ${many}.all(b, ${many}.all(c, ${many}.all(d, a + b + c + d >= 0))))`;
const dependsOn = (readyExpr: string) => ({ dependsOn: [{ name: "app", readyExpr }] });

describe("what takes without end", () => {
  it.each<[string, Record<string, string>, object, RegExp]>([
    [
      "a manifest of 100 MB",
      { "app/app.yaml": configMap("big", { text: "x".repeat(100 << 20) }) },
      {},
      /larger|limit|exceeds|too large/i,
    ],
    [
      "a pattern that backtracks, in a patch",
      text,
      { patches: [{ patch, target: { name: "(a+)+(a+)+(a+)+c" } }] },
      /./,
    ],
    [
      "a pattern that repeats, in a patch",
      text,
      { patches: [{ patch, target: { name: "((a{1000}){1000}){1000}" } }] },
      /invalid repeat count|repeat/,
    ],
    [
      "a pattern in an ignore rule",
      text,
      { ignore: [{ paths: ["/data"], target: { name: "(a?){1000}".repeat(90) } }] },
      /too large/,
    ],
    ["an expression of a dependency", text, dependsOn(every), /cost|limit|budget/i],
    [
      "a pattern in an expression",
      text,
      dependsOn(`'${"a".repeat(500)}'.matches('${"(a?){1000}".repeat(50)}')`),
      /cost|limit|large/i,
    ],
    ["variables in variables", text, { postBuild: { substitute: { a: "x".repeat(2000) } } }, /too much text/],
    ["a base that names itself", { "app/kustomization.yaml": "resources: [../app]\n" }, {}, /cycle|itself|same/],
    [
      "bases that name one another",
      { "app/kustomization.yaml": "resources: [../b]\n", "b/kustomization.yaml": "resources: [../app]\n" },
      {},
      /cycle/,
    ],
    ["bases that double at each step", diamonds(30), {}, /not done after|too many|limit/],
  ])(
    "TM-007, KS-075: %s ends with a clear condition, and a neighbour goes on",
    async (_, files, spec, words) => {
      const [object, took] = await Promise.all([ended(files, spec, 100), neighbourWorks()]);
      expect(messageOf(object)).toMatch(words);
      expect(messageOf(object).length).toBeLessThan(20_000);
      expect(took).toBeLessThan(20_000);
      expect(await neighbourWorks()).toBeLessThan(20_000);
    },
    150_000,
  );
});

describe("who wears another Kustomization's labels", () => {
  it("TM-003: and writes without end does not hold it up", async () => {
    const group = "kustomize.toolkit.fluxcd.io";
    const labels = { [`${group}/namespace`]: neighbour.namespace, [`${group}/name`]: "app" };
    await tenant.create({ apiVersion: "v1", kind: "ConfigMap", metadata: { name: "wearing", labels } });
    for (let write = 0; write < 300; write++)
      await tenant.patch("ConfigMap", "wearing", { data: { write: String(write) } });
    expect(await neighbourWorks()).toBeLessThan(20_000);
    expect((await tenant.find("ConfigMap", "wearing"))?.data).toEqual({ write: "299" });
  }, 150_000);
});
