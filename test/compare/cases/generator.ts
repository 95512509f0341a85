import { pushArtifact } from "../../bed/registry/push.ts";
import type { Case } from "../case.ts";
import { artifactGenerator, gitRepository, ociRepository } from "../objects.ts";
import { tarGz } from "../tar-gz.ts";

const files = {
  "apps/web/base.yaml": "a: 1\nnested: {x: 1, l: [1]}\n",
  "apps/web/run.sh": "#!/bin/sh\n",
  "apps/web/logo.png": "p",
  "apps/web/sub/deep.yaml": "d: 1\n",
  "apps/api/base.yaml": "a: 2\n",
  "apps/Api-Two/envs/Prod/values.yaml": "e: 1\n",
  "apps/api/envs/prod/values.yaml": "e: 2\n",
  "apps/api/envs/dev/values.yaml": "e: 3\n",
  "over/base.yaml": "nested: {y: 2, l: [2]}\n",
  "over/text.txt": "no: [yaml\n",
  "README.md": "read\n",
};
const copy = (...pairs: [from: string, to: string, more?: Record<string, unknown>][]) => ({
  copy: pairs.map(([from, to, more]) => ({ from, to, ...more })),
});

/** ArtifactGenerators, and the ExternalArtifacts that they make. */
export const generatorCases: readonly Case[] = [
  {
    name: "generators",
    needsWatcher: true,
    play: async (stage, world) => {
      const repository = await world.repository("generators", files);
      const { url, address } = world.registry;
      const annotations = { "org.opencontainers.image.revision": "main@sha1:0123" };
      const archive = await tarGz({ "inner/in.yaml": "i: 1\n" });
      await repository.commit({ "bundle.tgz": archive, "broken.tgz": "no archive" }, { message: "Archives" });
      const layer = {
        mediaType: "application/vnd.cncf.flux.content.v1.tar+gzip",
        content: await tarGz({ "oci.yaml": "o: 1\n" }),
      };
      await pushArtifact({ url, repository: "compare/generators" }, "latest", { layers: [layer], annotations });
      await stage.apply(
        gitRepository("source", repository.url),
        gitRepository("failing", repository.url, { ref: { branch: "absent" } }),
        ociRepository("image", `oci://${address}/compare/generators`, { insecure: true }),
      );
      await stage.look("sources");
      const one = (
        name: string,
        made: Record<string, unknown>,
        spec: Record<string, unknown> = {},
        metadata: Record<string, unknown> = {},
      ) =>
        artifactGenerator(
          metadata.name === undefined ? name : String(metadata.name),
          [{ name, ...made }],
          spec,
          metadata,
        );
      const two = {
        sources: [
          { alias: "git", kind: "GitRepository", name: "source" },
          { alias: "oci", kind: "OCIRepository", name: "image" },
        ],
      };
      await stage.apply(
        one("contents", copy(["@git/apps/web/**", "@artifact/"])),
        one("directory", copy(["@git/apps/web", "@artifact/x/"])),
        one("directory-slash", copy(["@git/apps/web/", "@artifact/x"])),
        one("matched", copy(["@git/apps/web/*.yaml", "@artifact/y/"])),
        one("all-matched", copy(["@git/apps/**/*.yaml", "@artifact/y/"])),
        one("middle", copy(["@git/apps/*/base.yaml", "@artifact/z/"])),
        one("classes", copy(["@git/apps/[aw]*/base.y?ml", "@artifact/"])),
        one("file", copy(["@git/README.md", "@artifact/"])),
        one("renamed", copy(["@git/README.md", "@artifact/docs/other.md"])),
        one("whole", copy(["@git/**", "@artifact/"])),
        one("root", copy(["@git/", "@artifact/"])),
        one(
          "excluded",
          copy(["@git/apps/**", "@artifact/", { exclude: ["*.png", "web/sub/**", "apps/api/envs/dev/*"] }]),
        ),
        one(
          "merged",
          copy(
            ["@git/apps/web/base.yaml", "@artifact/base.yaml"],
            ["@git/over/base.yaml", "@artifact/base.yaml", { strategy: "Merge" }],
          ),
        ),
        one(
          "merged-text",
          copy(["@git/over/text.txt", "@artifact/t"], ["@git/over/text.txt", "@artifact/t", { strategy: "Merge" }]),
        ),
        one("extracted", copy(["@git/bundle.tgz", "@artifact/out/", { strategy: "Extract" }])),
        one(
          "extracted-glob",
          copy(["@git/**/*.tgz", "@artifact/out/", { strategy: "Extract", exclude: ["broken.tgz"] }]),
        ),
        one("broken-archive", copy(["@git/broken.tgz", "@artifact/", { strategy: "Extract" }])),
        one("no-archive", copy(["@git/README.md", "@artifact/", { strategy: "Extract" }])),
        one("two-sources", copy(["@git/apps/web/**", "@artifact/web/"], ["@oci/**", "@artifact/"]), two),
        one("revision", { ...copy(["@git/apps/web/**", "@artifact/"]), revision: "@git", originRevision: "@git" }),
        one("origin", { ...copy(["@oci/**", "@artifact/"]), originRevision: "@oci" }, two),
        one(
          "pattern-{app}-{env}",
          copy(["@git/apps/{app}/envs/{env}/**", "@artifact/"]),
          { pathPattern: "@git/apps/{app}/envs/{env}" },
          { name: "pattern" },
        ),
        one(
          "none-{app}",
          copy(["@git/none/{app}/**", "@artifact/"]),
          { pathPattern: "@git/none/{app}" },
          { name: "none" },
        ),
        one(
          "same-app",
          copy(["@git/apps/{app}/**", "@artifact/"]),
          { pathPattern: "@git/apps/{app}" },
          { name: "same" },
        ),
        one(
          "bad-{nope}",
          copy(["@git/apps/{app}/**", "@artifact/"]),
          { pathPattern: "@git/apps/{app}" },
          { name: "bad" },
        ),
        one("labelled", copy(["@git/README.md", "@artifact/"]), {
          commonMetadata: { labels: { a: "b", "app.kubernetes.io/managed-by": "me" }, annotations: { c: "d" } },
        }),
        one("no-match", copy(["@git/absent/*.yaml", "@artifact/"])),
        one("no-file", copy(["@git/absent.yaml", "@artifact/"])),
        one("all-excluded", copy(["@git/apps/web/*.yaml", "@artifact/", { exclude: ["*.yaml"] }])),
        one("bad-exclude", copy(["@git/apps/**", "@artifact/", { exclude: ["[a"] }])),
        one("no-alias", copy(["@absent/**", "@artifact/"])),
        one("no-revision-alias", { ...copy(["@git/**", "@artifact/"]), revision: "@absent" }),
        one("outside", copy(["@git/../../etc/passwd", "@artifact/"])),
        artifactGenerator("twice", [
          { name: "twice", ...copy(["@git/**", "@artifact/"]) },
          { name: "twice", ...copy(["@git/**", "@artifact/"]) },
        ]),
        one("alias-twice", copy(["@git/**", "@artifact/"]), {
          sources: [
            { alias: "git", kind: "GitRepository", name: "source" },
            { alias: "git", kind: "OCIRepository", name: "image" },
          ],
        }),
        one("no-source", copy(["@git/**", "@artifact/"]), {
          sources: [{ alias: "git", kind: "GitRepository", name: "absent" }],
        }),
        one("failing-source", copy(["@git/**", "@artifact/"]), {
          sources: [{ alias: "git", kind: "GitRepository", name: "failing" }],
        }),
        one("elsewhere", copy(["@git/**", "@artifact/"]), {
          sources: [{ alias: "git", kind: "GitRepository", name: "source", namespace: "nowhere" }],
        }),
        one("Bad_Name", copy(["@git/**", "@artifact/"])),
        one(
          "disabled",
          copy(["@git/**", "@artifact/"]),
          {},
          { annotations: { "source.extensions.fluxcd.io/reconcile": "Disabled" } },
        ),
      );
      await stage.look("created");
      await stage.request("ArtifactGenerator", "contents", "no-match", "pattern", "disabled");
      await stage.look("unchanged");
      await repository.commit({ "apps/web/base.yaml": "a: 5\n" }, { message: "A change" });
      await stage.request("GitRepository", "source");
      await stage.look("a new commit");
      await stage.apply(
        one("contents", copy(["@git/absent.yaml", "@artifact/"])),
        one("file", copy(["@git/apps/api/**", "@artifact/"])),
      );
      await stage.look("edited");
      await stage.apply(
        one("contents", copy(["@git/apps/web/**", "@artifact/"])),
        artifactGenerator("file", [{ name: "other", ...copy(["@git/README.md", "@artifact/"]) }]),
      );
      await stage.look("mended");
      await stage.remove("ArtifactGenerator", "contents");
      await stage.look("deleted");
    },
  },
  {
    name: "external artifacts",
    play: async (stage) => {
      await stage.apply(
        {
          kind: "ExternalArtifact",
          metadata: { name: "foreign" },
          spec: { sourceRef: { apiVersion: "example.com/v1", kind: "Producer", name: "p" } },
        },
        { kind: "ExternalArtifact", metadata: { name: "empty" }, spec: {} },
      );
      await stage.look("created");
    },
  },
];
