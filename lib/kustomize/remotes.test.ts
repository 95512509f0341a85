import { describe, expect, it } from "vitest";
import { build, inputDigest } from "./build.ts";
import { keyOf, type RemoteContent, type RemoteReference } from "./remote-content.ts";
import { resolveRemotes } from "./remotes.ts";
import { artifactOf, configMap } from "./testdata/artifact-of.ts";

const signal = AbortSignal.timeout(30_000);

/** A world of files by their addresses and repositories by their URLs, which notes in `asked` what it was asked for. */
function worldOf(contents: Record<string, string | Record<string, string | object>>) {
  const asked: string[] = [];
  const fetchRemote = async (reference: RemoteReference): Promise<RemoteContent> => {
    asked.push(keyOf(reference));
    const found = contents[reference.url];
    if (reference.type === "file")
      return typeof found === "string"
        ? { type: "file", bytes: Buffer.from(found), revision: `sha256:${found.length}` }
        : { type: "status", status: 404 };
    if (found === undefined || typeof found === "string") return { type: "failure", reason: "not found" };
    return { type: "repository", tree: artifactOf(found), bytes: 10, revision: `sha1:${reference.ref}` };
  };
  return { asked, fetchRemote };
}

describe("KS-071: what is fetched before a build", () => {
  it("KS-071: nothing where nothing is remote, and the artifact is the one that was given", async () => {
    const { asked, fetchRemote } = worldOf({});
    for (const files of [{ "a.yaml": configMap("a") }, { "kustomization.yaml": { resources: ["/etc"] } }]) {
      const artifact = artifactOf(files);
      expect(await resolveRemotes(artifact, {}, fetchRemote, signal)).toEqual({ artifact, remotes: [] });
    }
    expect(asked).toEqual([]);
  });

  it("KS-071: each address once, in as many rounds as bases name further ones", async () => {
    const { asked, fetchRemote } = worldOf({
      "https://git.test/org/outer.git": {
        "kustomization.yaml": { resources: ["https://git.test/org/inner.git?ref=v1"] },
      },
      "https://git.test/org/inner.git": {
        "kustomization.yaml": {
          resources: ["a.yaml"],
          configMapGenerator: [{ name: "x", files: ["https://h.test/x"] }],
        },
        "a.yaml": configMap("inner"),
      },
      "https://h.test/x": "x",
    });
    const outer = "git::https://git.test/org/outer.git";
    const artifact = artifactOf({
      "kustomization.yaml": { resources: ["one", "two"] },
      "one/kustomization.yaml": { namePrefix: "one-", resources: [outer] },
      "two/kustomization.yaml": { namePrefix: "two-", resources: [outer] },
    });
    const { artifact: resolved, remotes } = await resolveRemotes(artifact, {}, fetchRemote, signal);
    expect(asked).toEqual([
      "repository with submodules HEAD https://git.test/org/outer.git",
      "file https://git.test/org/inner.git?ref=v1",
      "repository with submodules v1 https://git.test/org/inner.git",
      "file https://h.test/x",
    ]);
    // A page that is not there is no remote: the repository behind it is.
    expect(remotes.map(({ revision }) => revision)).toEqual(["sha1:HEAD", "sha1:v1", "sha256:1"]);
    const { objects } = await build(resolved, {});
    expect(objects.map(({ metadata }) => metadata.name.replace(/-[a-z0-9]{10}$/, ""))).toEqual([
      "one-inner",
      "one-x",
      "two-inner",
      "two-x",
    ]);
    expect(inputDigest(resolved, {})).not.toBe(inputDigest(artifact, {}));
    expect(artifact.remotes).toBeUndefined();
  });

  it("KS-071: no more references, and no more bytes, than are allowed", async () => {
    const { asked, fetchRemote } = worldOf({ "https://h.test/a": "1234567890", "https://h.test/b": "1234567890" });
    const files = ["https://h.test/a", "https://h.test/b"];
    const artifact = artifactOf({ "kustomization.yaml": { configMapGenerator: [{ name: "x", files }] } });
    await expect(resolveRemotes(artifact, {}, fetchRemote, signal, { references: 1 })).rejects.toThrow(
      "kustomize build failed: more than 1 remote bases and files are named",
    );
    expect(asked).toEqual([]);
    await expect(resolveRemotes(artifact, {}, fetchRemote, signal, { bytes: 19 })).rejects.toThrow(
      /more than 19 bytes/,
    );
    await expect(resolveRemotes(artifact, {}, fetchRemote, AbortSignal.abort(new Error("over")))).rejects.toThrow(
      "over",
    );
  });

  it("KS-071: what is not found is the build's to tell", async () => {
    const { fetchRemote } = worldOf({});
    const artifact = artifactOf({ "kustomization.yaml": { resources: ["https://git.test/org/none.git//x"] } });
    const resolved = await resolveRemotes(artifact, {}, fetchRemote, signal);
    expect(resolved.remotes).toEqual([]);
    await expect(build(resolved.artifact, {})).rejects.toThrow(
      "kustomize build failed: accumulating resources: accumulation err='accumulating resources from 'https://git.test/org/none.git//x': URL is a git repository': failed to fetch 'https://git.test/org/none.git': not found",
    );
  });
});
