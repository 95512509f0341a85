import { pushArtifact } from "../../bed/registry/push.ts";
import type { Case } from "../case.ts";
import { artifactGenerator, bucket, gitRepository, helmChart, helmRepository, ociRepository } from "../objects.ts";
import { tarGz } from "../tar-gz.ts";
import { keys } from "../world.ts";

/** What is stored, and gets lost. */
export const storageCases: readonly Case[] = [
  {
    name: "storage",
    needsWatcher: true,
    play: async (stage, world) => {
      const repository = await world.repository("storage", {
        "app/a.txt": "a\n",
        "app/Chart.yaml": "apiVersion: v2\nname: app\nversion: 0.1.0\n",
      });
      const charts = await world.chartRepository();
      await charts.publish("web", "1.0.0");
      const { url, address } = world.registry;
      const layer = {
        mediaType: "application/vnd.cncf.flux.content.v1.tar+gzip",
        content: await tarGz({ "oci.yaml": "o: 1\n" }),
      };
      await pushArtifact({ url, repository: "compare/storage" }, "latest", { layers: [layer] });
      await world.fill("storage", { a: "a" });
      await stage.secret("keys", keys);
      await stage.secret("ca", { "ca.crt": charts.certificateAuthority });
      await stage.apply(
        gitRepository("git", repository.url),
        gitRepository("git-range", repository.url, {
          ref: { commit: (await repository.git(["rev-parse", "main"])).trim() },
        }),
        ociRepository("oci", `oci://${address}/compare/storage`, { insecure: true }),
        bucket("bucket", world.s3, "storage", { secretRef: { name: "keys" } }),
        helmRepository("charts", charts.url, { certSecretRef: { name: "ca" } }),
      );
      await stage.settle();
      await stage.apply(
        helmChart("chart", "web"),
        helmChart("packaged", "app", { sourceRef: { kind: "GitRepository", name: "git" } }),
        artifactGenerator("made", [{ name: "made", copy: [{ from: "@git/app/**", to: "@artifact/" }] }], {
          sources: [{ alias: "git", kind: "GitRepository", name: "git" }],
        }),
      );
      await stage.look("created");
      const all = [
        ["GitRepository", "git"],
        ["GitRepository", "git-range"],
        ["OCIRepository", "oci"],
        ["Bucket", "bucket"],
        ["HelmRepository", "charts"],
        ["HelmChart", "chart"],
        ["HelmChart", "packaged"],
      ] as const;
      for (const way of ["removed", "corrupted"] as const) {
        for (const [kind, name] of all) await stage.spoil(way, kind, name);
        await stage.spoil(way, "ExternalArtifact", "made");
        for (const [kind, name] of all) {
          await stage.request(kind, name);
          await stage.settle();
        }
        await stage.request("ArtifactGenerator", "made");
        await stage.look(way);
      }
      await stage.apply(gitRepository("git-range", repository.url, { suspend: true, ref: { branch: "main" } }));
      await stage.settle();
      await stage.spoil("removed", "GitRepository", "git-range");
      await stage.request("GitRepository", "git-range");
      await stage.look("removed while it is suspended");
      await stage.apply(gitRepository("git-range", repository.url));
      await stage.look("resumed");
    },
  },
];
