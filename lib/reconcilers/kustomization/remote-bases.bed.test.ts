import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { startGitServer } from "../../../test/bed/git/git-server.ts";
import { built, namesOf, type RemoteServer, startRemoteServer } from "../../../test/bed/git/remote-server.ts";
import { configMap, deployment } from "../../kustomize/testdata/artifact-of.ts";
import { remotesAreCurrent } from "./remote-bases.ts";

let server: RemoteServer;

beforeAll(async () => {
  server = await startRemoteServer();
});

afterAll(() => server?.stop());

beforeEach(() => server.forget());

describe("KS-071: remote bases are built as kustomize builds them", () => {
  it("KS-071, SN-05: a branch, a tag, an annotated tag, a full reference and a commit", async () => {
    const repository = await server.repository({
      "app/kustomization.yaml": { resources: ["a.yaml"] },
      "app/a.yaml": configMap("first"),
    });
    const first = (await repository.git(["rev-parse", "main"])).trim();
    await repository.commit({ "app/a.yaml": JSON.stringify(configMap("tagged")) }, { tag: "v1" });
    await repository.commit({ "app/a.yaml": JSON.stringify(configMap("noted")) }, { tag: "v2", annotated: true });
    await repository.commit({ "app/a.yaml": JSON.stringify(configMap("tip")) });
    await repository.git(["tag", "main", "v1"]);
    for (const [ref, name] of [
      ["", "tip"],
      ["?ref=v1", "tagged"],
      ["?ref=v2", "noted"],
      ["?ref=refs/heads/main", "tip"],
      // Where a branch and a tag have one name, git fetches the tag.
      ["?ref=main", "tagged"],
      ["?ref=heads/main", "tip"],
      [`?ref=${first}`, "first"],
      ["?version=v1", "tagged"],
    ]) {
      const own = await server.builtAlike({ "kustomization.yaml": { resources: [`${repository.url}/app${ref}`] } });
      expect(namesOf(own), ref).toEqual([name]);
    }
    for (const ref of ["none", first.slice(0, 8), "heads/none"]) {
      const { own, kustomize } = await server.refusals({
        "kustomization.yaml": { resources: [`${repository.url}/app?ref=${ref}`] },
      });
      expect(kustomize, ref).toContain("couldn't find remote ref");
      expect(own, ref).toContain(`failed to fetch '${repository.url}': couldn't find remote ref ${ref}`);
    }
  });

  it("KS-071: everything that may name a base, a component or a file", async () => {
    const repository = await server.repository({
      "base/kustomization.yaml": {
        resources: ["../other", "d.yaml"],
        configMapGenerator: [{ name: "own", files: ["own.txt"] }],
        patches: [{ path: "patch.yaml" }],
      },
      "base/own.txt": "own",
      "base/d.yaml": deployment("app", "app:1"),
      "base/patch.yaml": { ...deployment("app", "app:2"), metadata: { name: "app", labels: { patched: "yes" } } },
      "other/kustomization.yaml": { namePrefix: "other-", resources: ["a.yaml"] },
      "other/a.yaml": configMap("a"),
      "part/kustomization.yaml": {
        apiVersion: "kustomize.config.k8s.io/v1alpha1",
        kind: "Component",
        nameSuffix: "-part",
      },
    });
    const patch = { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "other-a-part" } };
    const files = {
      "app/kustomization.yaml": {
        resources: [
          `${repository.url}//base`,
          "../local",
          server.serve("list.yaml", `${JSON.stringify(configMap("x"))}\n`),
        ],
        components: [`${repository.url}//part`],
        configMapGenerator: [
          { name: "from", files: [server.serve("plain.txt", "plain"), `key=${server.serve("other.txt", "other")}`] },
          { name: "env", envs: [server.serve("some.env", "A=b\n")], env: server.serve("more.env", "C=d\n") },
        ],
        secretGenerator: [{ name: "secret", files: [server.serve("secret.txt", "s3cret")] }],
        patches: [{ path: server.serveObject("p.yaml", { ...patch, data: { patched: "yes" } }) }],
        patchesStrategicMerge: [server.serveObject("s.yaml", { ...patch, data: { merged: "yes" } })],
        patchesJson6902: [
          {
            path: server.serve("j.json", '[{"op":"add","path":"/data/json","value":"yes"}]'),
            target: { version: "v1", kind: "ConfigMap", name: "other-a-part" },
          },
        ],
        replacements: [
          {
            path: server.serveObject("r.yaml", {
              source: { kind: "ConfigMap", name: "x-part", fieldPath: "metadata.name" },
              targets: [
                { select: { kind: "Deployment" }, fieldPaths: ["metadata.labels.from"], options: { create: true } },
              ],
            }),
          },
        ],
        configurations: [server.serveObject("c.yaml", { images: [{ path: "spec/image", kind: "Foo" }] })],
        crds: [server.serve("crd.json", "{}")],
        openapi: { path: server.serveObject("schema.json", { definitions: {} }) },
        transformers: [
          server.serveObject("t.yaml", {
            apiVersion: "builtin",
            kind: "LabelTransformer",
            metadata: { name: "t" },
            labels: { transformed: "yes" },
            fieldSpecs: [{ path: "metadata/labels", create: true }],
          }),
        ],
        generators: [
          JSON.stringify({
            apiVersion: "builtin",
            kind: "ConfigMapGenerator",
            metadata: { name: "g" },
            name: "g",
            files: [server.serve("g.txt", "generated")],
          }),
        ],
      },
      "local/kustomization.yaml": { resources: ["foo.yaml"] },
      "local/foo.yaml": { apiVersion: "x.io/v1", kind: "Foo", metadata: { name: "foo" }, spec: { image: "foo:1" } },
    };
    const own = await server.builtAlike(files, "app");
    expect(own.objects).toHaveLength(9);
    expect(own.objects.find(({ metadata }) => metadata.name === "other-a-part")?.data).toEqual({
      patched: "yes",
      merged: "yes",
      json: "yes",
    });
  });

  it("KS-071: bases in bases, each in its own repository, and one base twice", async () => {
    const deep = await server.repository({
      "kustomization.yaml": { resources: ["deep.yaml"] },
      "deep.yaml": configMap("deep"),
    });
    const middle = await server.repository({
      "x/kustomization.yaml": { namePrefix: "middle-", resources: [deep.url, "../y"] },
      "y/kustomization.yaml": { resources: ["y.yaml"], nameSuffix: "-y" },
      "y/y.yaml": configMap("y"),
    });
    const own = await server.builtAlike({
      "kustomization.yaml": { resources: ["one", "two"] },
      "one/kustomization.yaml": { namePrefix: "one-", resources: [`${middle.url}//x`] },
      "two/kustomization.yaml": { namePrefix: "two-", resources: [`${middle.url}//x`, deep.url] },
    });
    expect(namesOf(own).sort()).toEqual(
      ["one-middle-deep", "one-middle-y-y", "two-deep", "two-middle-deep", "two-middle-y-y"].sort(),
    );
    // Each repository was asked for once, however often it is named.
    const own2 = own.remotes.filter(({ reference }) => reference.type === "repository");
    expect(own2).toHaveLength(2);
  });

  it("KS-054, KS-071: the origin of an object names its repository, reference and path", async () => {
    const plugin = {
      apiVersion: "builtin",
      kind: "ConfigMapGenerator",
      metadata: { name: "g" },
      name: "g",
      literals: ["a=b"],
    };
    const inner = await server.repository({
      "kustomization.yaml": { resources: ["i.yaml"] },
      "i.yaml": configMap("i"),
    });
    const repository = await server.repository(
      {
        "kustomization.yaml": { resources: ["r.yaml"] },
        "r.yaml": configMap("r"),
        "app/kustomization.yaml": {
          resources: ["a.yaml", "../lib", inner.url],
          configMapGenerator: [{ name: "gen", literals: ["a=b"] }],
          generators: ["g.yaml"],
          labels: [{ pairs: { a: "b" } }],
        },
        "app/g.yaml": plugin,
        "app/a.yaml": configMap("a"),
        "lib/kustomization.yaml": { resources: ["l.yaml"] },
        "lib/l.yaml": configMap("l"),
      },
      { tag: "v1" },
    );
    const own = await server.builtAlike(
      {
        "app/kustomization.yaml": {
          buildMetadata: ["originAnnotations", "transformerAnnotations", "managedByLabel"],
          resources: [
            `${repository.url}//app?ref=v1`,
            repository.url,
            "../local",
            server.serveObject("file.yaml", configMap("file")),
          ],
        },
        "local/kustomization.yaml": {
          namePrefix: "local-",
          resources: [server.serveObject("x.yaml", configMap("x"))],
        },
      },
      "app",
    );
    const told = own.objects.find(({ metadata }) => metadata.name === "l")?.metadata.annotations;
    expect(told?.["config.kubernetes.io/origin"]).toBe(`path: lib/l.yaml\nrepo: ${repository.url}\nref: v1\n`);
  });

  it("KS-071: submodules, unless the address says otherwise", async () => {
    const inner = await server.repository({
      "kustomization.yaml": { resources: ["i.yaml"] },
      "i.yaml": configMap("inner"),
    });
    const commit = (await inner.git(["rev-parse", "main"])).trim();
    const name = inner.url.slice(inner.url.lastIndexOf("/") + 1);
    for (const [path, url] of [
      ["absolute", inner.url],
      ["relative", `../${name}`],
    ]) {
      const outer = await server.repository({
        "kustomization.yaml": { resources: [`mod/${path}`] },
        ".gitmodules": `[submodule "m"]\n\tpath = mod/${path}\n\turl = ${url}\n`,
      });
      const change = `commit refs/heads/main\ncommitter a <a@b.test> 1700000000 +0000\ndata 1\nx\nfrom refs/heads/main^0\nM 160000 ${commit} mod/${path}\n\n`;
      await outer.git(["fast-import", "--quiet"], change);
      const own = await server.builtAlike({ "kustomization.yaml": { resources: [outer.url] } });
      expect(own.objects.map(({ metadata }) => metadata.name)).toEqual(["inner"]);
      const without = await server.refusals({ "kustomization.yaml": { resources: [`${outer.url}?submodules=false`] } });
      for (const text of [without.own, without.kustomize]) expect(text).toMatch(/unable to find one of/);
    }
  });
});

describe("KS-071: what has moved since", () => {
  it("KS-071: a branch that moves and a file that changes are seen by one request each, and the digest moves with them", async () => {
    const repository = await server.repository({
      "kustomization.yaml": { resources: ["a.yaml"] },
      "a.yaml": configMap("a"),
    });
    const first = (await repository.git(["rev-parse", "main"])).trim();
    let text = JSON.stringify(configMap("file", { version: "1" }));
    const url = server.serve("file.yaml", (request, response) => {
      const tag = `"${Buffer.from(text).toString("base64url").slice(-16)}"`;
      const isKnown = request.headers["if-none-match"] === tag;
      response.writeHead(isKnown ? 304 : 200, { etag: tag }).end(isKnown ? "" : text);
    });
    const files = { "kustomization.yaml": { resources: [repository.url, `${repository.url}?ref=${first}`, url] } };
    const overlay = {
      "kustomization.yaml": { resources: ["one", "two"] },
      "one/kustomization.yaml": { namePrefix: "one-", resources: [repository.url, url] },
      "two/kustomization.yaml": { namePrefix: "two-", resources: [`${repository.url}?ref=${first}`] },
    };
    await expect(built(files)).rejects.toThrow(/may not add resource with an already registered id/);
    const before = await built(overlay);
    const signal = AbortSignal.timeout(30_000);
    server.git.requests.length = 0;
    expect(await remotesAreCurrent(before.remotes, signal)).toBe(true);
    expect(server.git.requests.map(({ method, path }) => `${method} ${path.split("/").at(-1)}`).sort()).toEqual([
      "GET file.yaml",
      "POST git-upload-pack",
    ]);
    expect((await built(overlay)).input).toBe(before.input);

    text = JSON.stringify(configMap("file", { version: "2" }));
    expect(await remotesAreCurrent(before.remotes, signal)).toBe(false);
    const changed = await built(overlay);
    expect(changed.input).not.toBe(before.input);
    expect(changed.objects.find(({ metadata }) => metadata.name === "one-file")?.data).toEqual({ version: "2" });

    await server.commit(repository, { "a.yaml": configMap("b") });
    expect(await remotesAreCurrent(changed.remotes, signal)).toBe(false);
    const moved = await built(overlay);
    expect(moved.input).not.toBe(changed.input);
    expect(namesOf(moved)).toEqual(["one-b", "one-file", "two-a"]);
    expect(await remotesAreCurrent(moved.remotes, signal)).toBe(true);
  });

  it("KS-071: a server that is gone is no proof that nothing has moved", async () => {
    const gone = await startGitServer({ directory: join(server.directory, "gone") });
    const repository = await gone.repository("x");
    await server.commit(repository, { "kustomization.yaml": { resources: ["a.yaml"] }, "a.yaml": configMap("a") });
    const { remotes } = await built({ "kustomization.yaml": { resources: [repository.url] } });
    await gone.stop();
    expect(await remotesAreCurrent(remotes, AbortSignal.timeout(10_000))).toBe(false);
  });
});
