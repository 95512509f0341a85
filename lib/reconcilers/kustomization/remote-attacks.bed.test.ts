import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { uniqueName } from "../../../test/bed/bed.ts";
import { built, type RemoteServer, startRemoteServer } from "../../../test/bed/git/remote-server.ts";
import type { GitRepository } from "../../host/git/repository.ts";
import { configMap } from "../../kustomize/testdata/artifact-of.ts";

const canary = uniqueName("c4n4ry");
let server: RemoteServer;

beforeAll(async () => {
  server = await startRemoteServer();
});

afterAll(() => server?.stop());

beforeEach(() => server.forget());

/** What a build of this base gives or says. The artifact around it holds the canary, and so does the environment of this process. */
async function outcome(base: string, field = "resources"): Promise<string> {
  const files = {
    "app/kustomization.yaml": { [field]: [base], configMapGenerator: [{ name: "own", literals: ["a=b"] }] },
    "secret.env": `TOKEN=${canary}\n`,
    "secret/kustomization.yaml": { configMapGenerator: [{ name: "stolen", envs: ["../secret.env"] }] },
    "secret.yaml": configMap("stolen", { token: canary }),
  };
  process.env.SLUICE_CANARY = canary;
  try {
    const result = await built(files, { path: "app" });
    return JSON.stringify(result.objects);
  } catch (error) {
    return String(error);
  } finally {
    delete process.env.SLUICE_CANARY;
  }
}

/** Adds symbolic links to a repository's branch. */
async function link(repository: GitRepository, links: Record<string, string>): Promise<void> {
  const changes = Object.entries(links).map(
    ([path, target]) => `M 120000 inline ${JSON.stringify(path)}\ndata ${Buffer.byteLength(target)}\n${target}\n`,
  );
  const head =
    "commit refs/heads/main\ncommitter a <a@b.test> 1700000000 +0000\ndata 4\nLink\nfrom refs/heads/main^0\n";
  await repository.git(["fast-import", "--quiet"], `${head}${changes.join("")}\n`);
}

const places: Record<string, (path: string) => object> = {
  resources: (path) => ({ resources: [path] }),
  bases: (path) => ({ bases: [path] }),
  components: (path) => ({ components: [path] }),
  crds: (path) => ({ crds: [path] }),
  configurations: (path) => ({ configurations: [path] }),
  openapi: (path) => ({ openapi: { path } }),
  patches: (path) => ({ patches: [{ path, target: { kind: "ConfigMap" } }] }),
  patchesStrategicMerge: (path) => ({ patchesStrategicMerge: [path] }),
  replacements: (path) => ({ replacements: [{ path }] }),
  files: (path) => ({ configMapGenerator: [{ name: "x", files: [`k=${path}`] }] }),
  envs: (path) => ({ secretGenerator: [{ name: "x", envs: [path] }] }),
  generators: (path) => ({ generators: [path] }),
  "a plugin's own files": (path) => ({
    generators: [
      JSON.stringify({
        apiVersion: "builtin",
        kind: "ConfigMapGenerator",
        metadata: { name: "x" },
        name: "x",
        files: [path],
      }),
    ],
  }),
};

describe("SN-02, KS-070: a remote base reads nothing but itself", () => {
  it.each(Object.keys(places))("SN-02, KS-070, KS-071: in %s", async (field) => {
    const paths = [
      "/proc/self/environ",
      "/proc/1/environ",
      "/etc/passwd",
      "../../secret.env",
      "../../secret",
      "../../../app",
      "../../../../../../../../etc/passwd",
      "../../artifact/secret.env",
      "x/../../../secret.yaml",
    ];
    const files = Object.fromEntries(
      paths.map((path, index) => [`${index}/kustomization.yaml`, { kind: "Kustomization", ...places[field]?.(path) }]),
    );
    const repository = await server.repository(files);
    for (const [index, path] of paths.entries()) {
      const told = await outcome(`${repository.url}/${index}`);
      expect(told, path).toMatch(/security; (path|file) '.*' (in .* )?is not in or below/);
      expect(told, path).not.toContain(canary);
    }
  });

  it("SN-02, KS-071: a file of another directory of its own repository is not read either, as kustomize refuses it", async () => {
    const repository = await server.repository({
      "app/kustomization.yaml": { configMapGenerator: [{ name: "x", files: ["../shared.txt"] }] },
      "shared.txt": "shared",
    });
    const files = { "kustomization.yaml": { resources: [`${repository.url}//app`] } };
    const { own, kustomize } = await server.refusals(files);
    for (const text of [own, kustomize])
      expect(text).toMatch(/security; file '.*shared.txt'.* is not in or below '.*app'/);
  });

  it("SN-02, KS-071: symbolic links lead where they may, and nowhere else", async () => {
    const outside = join(server.directory, "outside");
    await mkdir(outside, { recursive: true });
    await writeFile(join(outside, "secret.env"), `TOKEN=${canary}\n`);
    const repository = await server.repository({
      "app/real.env": "A=b\n",
      "app/kustomization.yaml": {
        resources: ["dir/a.yaml", "twice.yaml"],
        configMapGenerator: [{ name: "own", envs: ["linked.env"] }],
      },
      "app/sub/a.yaml": configMap("a"),
      "app/b.yaml": configMap("b"),
      ...Object.fromEntries(
        ["environ", "up", "abs", "dotdot", "loop", "gone"].map((name) => [
          `${name}/kustomization.yaml`,
          { configMapGenerator: [{ name: "x", envs: ["link"] }] },
        ]),
      ),
    });
    await link(repository, {
      "app/linked.env": "real.env",
      "app/dir": "sub",
      "app/twice.yaml": "../again.yaml",
      "again.yaml": "app/b.yaml",
      "environ/link": "/proc/self/environ",
      "up/link": "../../../secret.env",
      "abs/link": join(outside, "secret.env"),
      "dotdot/link": `${"../".repeat(20)}${outside.slice(1)}/secret.env`,
      "loop/link": "link",
      "gone/link": "none",
      "app/self": ".",
      "app/parent": "..",
    });
    const alike = await server.builtAlike({ "kustomization.yaml": { resources: [`${repository.url}//app`] } });
    expect(alike.objects.map(({ metadata }) => metadata.name)).toEqual(["a", "b", expect.stringMatching(/^own-/)]);
    for (const name of ["environ", "up", "abs", "dotdot", "loop", "gone"]) {
      const told = await outcome(`${repository.url}/${name}`);
      expect(told, name).toMatch(/no such file or directory/);
      expect(told, name).not.toContain(canary);
    }
  });

  it("SN-02, KS-071: links that stand for one another without end are refused", async () => {
    const levels = 40;
    const repository = await server.repository({
      "kustomization.yaml": { resources: ["a.yaml"] },
      "a.yaml": configMap("a"),
      ...Object.fromEntries(Array.from({ length: levels }, (_, n) => [`d${n}/x`, ""])),
    });
    await link(
      repository,
      Object.fromEntries(
        Array.from({ length: levels - 1 }, (_, n) => [
          [`d${n}/a`, `../d${n + 1}`],
          [`d${n}/b`, `../d${n + 1}`],
        ]).flat(),
      ),
    );
    expect(await outcome(repository.url)).toMatch(/symbolic links stand for more than/);
  });

  it("SN-02: a repository by its path on the machine is none", async () => {
    const repository = await server.repository({
      "kustomization.yaml": { resources: ["a.yaml"] },
      "a.yaml": configMap("a", { canary }),
    });
    for (const address of [
      `file://${repository.directory}`,
      `FILE://${repository.directory}//x`,
      `git::file://${repository.directory}`,
    ])
      for (const field of ["resources", "components"]) {
        const told = await outcome(address, field);
        expect(told, address).toMatch(/kustomize build failed: .*not of the artifact/);
        expect(told, address).not.toContain(canary);
      }
  });

  it("SN-02, KS-071: the artifact has no way into what was fetched, nor one base into another", async () => {
    const secret = await server.repository({
      "kustomization.yaml": { resources: ["a.yaml"] },
      "a.yaml": configMap("a"),
    });
    const other = await server.repository({
      "kustomization.yaml": { resources: [`../.remote-0123456789abcdef/a.yaml`] },
    });
    expect(await outcome(other.url)).toMatch(/security; path '..\/.remote-0123456789abcdef\/a.yaml'/);
    const files = { "kustomization.yaml": { resources: [secret.url, ".remote-0123456789abcdef/a.yaml"] } };
    await expect(built(files)).rejects.toThrow(/no such file or directory/);
  });
});
