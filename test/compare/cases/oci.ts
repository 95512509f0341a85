import { contentType, type PushedArtifact, pushArtifact, pushManifest, removeTag } from "../../bed/registry/push.ts";
import { registryUser } from "../../bed/registry/registry.ts";
import type { Case } from "../case.ts";
import { ociRepository } from "../objects.ts";
import { tarGz } from "../tar-gz.ts";

const chartType = "application/vnd.cncf.helm.chart.content.v1.tar+gzip";
const files = {
  "app.yaml": "a: 1\n",
  "logo.png": "x",
  "dir/run.sh": "#!/bin/sh\n",
  ".sourceignore": "*.tmp\n",
  "x.tmp": "x",
};

async function artifact(content: Record<string, string>, more: PushedArtifact = {}): Promise<PushedArtifact> {
  return { layers: [{ mediaType: contentType, content: await tarGz(content, { link: "app.yaml" }) }], ...more };
}

const annotations = {
  "org.opencontainers.image.created": "2026-01-02T03:04:05Z",
  "org.opencontainers.image.source": "https://git.test/app.git",
  "org.opencontainers.image.revision": "main@sha1:0123",
};

/** OCIRepositories. */
export const ociCases: readonly Case[] = [
  {
    name: "oci references",
    play: async (stage, world) => {
      const { url, address } = world.registry;
      const to = { url, repository: "compare/references" };
      const latest = await pushArtifact(to, "latest", await artifact(files, { annotations }));
      await pushArtifact(to, "1.0.0", await artifact({ "app.yaml": "a: 2\n", "logo.png": "x" }));
      await pushArtifact(to, "v1.1.0", await artifact({ "app.yaml": "a: 3\n" }));
      await pushArtifact(to, "2.0.0-rc.1", await artifact({ "app.yaml": "a: 4\n" }));
      await pushArtifact(to, "6.1.4_build1", {
        layers: [
          { mediaType: chartType, content: await tarGz({ "app/Chart.yaml": "name: app\nversion: 6.1.4+build1\n" }) },
        ],
      });
      const platform = (digest: string, size: number, os: string, architecture: string) => ({
        mediaType: "application/vnd.oci.image.manifest.v1+json",
        digest,
        size,
        platform: { os, architecture },
      });
      const indexType = "application/vnd.oci.image.index.v1+json";
      const other = await pushArtifact(to, undefined, await artifact({ "other.yaml": "o: 1\n" }));
      const index = {
        schemaVersion: 2,
        mediaType: indexType,
        manifests: [
          platform(other.digest, other.size, "linux", "arm64"),
          platform(latest.digest, latest.size, "linux", "amd64"),
        ],
      };
      await pushManifest(to, "index", indexType, Buffer.from(JSON.stringify(index)));
      const at = (name: string, spec: Record<string, unknown> = {}) =>
        ociRepository(name, `oci://${address}/compare/references`, { insecure: true, ...spec });
      const selected = (operation: string, mediaType = contentType) => ({ layerSelector: { mediaType, operation } });
      await stage.apply(
        at("latest"),
        at("tag", { ref: { tag: "1.0.0" } }),
        at("digest", { ref: { digest: latest.digest } }),
        at("semver", { ref: { semver: ">=1.0.0 <6" } }),
        at("candidates", { ref: { semver: ">=1.0.0-0 <6", semverFilter: ".*-rc.*" } }),
        at("all-three", { ref: { semver: ">=1.0.0 <6", tag: "latest", digest: latest.digest } }),
        at("underscore", { ref: { semver: "6.x" }, ...selected("copy", chartType) }),
        at("index", { ref: { tag: "index" } }),
        at("copied", selected("copy")),
        at("extracted", selected("extract")),
        at("ignored", { ignore: "*.yaml" }),
        at("secure", { insecure: false }),
      );
      await stage.look("created");
      await stage.request("OCIRepository", "latest", "semver", "digest", "copied");
      await stage.look("unchanged");
      await pushArtifact(to, "latest", await artifact({ "app.yaml": "a: 9\n" }));
      // Their slots may come in any minute.
      await stage.request("OCIRepository", "latest", "copied", "extracted", "ignored", "secure");
      await stage.look("changed");
      await stage.apply(at("latest", { ignore: "" }), at("tag", { ref: { tag: "1.0.0" }, ...selected("copy") }));
      await stage.look("edited");
    },
  },
  {
    name: "oci failures",
    play: async (stage, world) => {
      const { url, address } = world.registry;
      const to = { url, repository: "compare/failures" };
      await pushArtifact(to, "latest", await artifact(files));
      await pushArtifact(to, "plain", { layers: [{ mediaType: contentType, content: Buffer.from("plain") }] });
      await pushArtifact(to, "nothing", { layers: [] });
      const at = (name: string, spec: Record<string, unknown> = {}, path = "compare/failures") =>
        ociRepository(name, `oci://${address}/${path}`, { insecure: true, ...spec });
      const digest = `sha256:${"0".repeat(64)}`;
      await stage.secret("proxy", { address: "ftp://127.0.0.1:1" });
      await stage.secret("no-ca", { "ca.crt": "nothing" });
      await stage.apply(
        at("no-tag", { ref: { tag: "absent" } }),
        at("no-digest", { ref: { digest } }),
        at("bad-digest", { ref: { digest: "sha256:12" } }),
        at("no-match", { ref: { semver: ">=9.0.0" } }),
        at("no-range", { ref: { semver: "nonsense" } }),
        at("no-filter", { ref: { semver: ">=1.0.0", semverFilter: "(" } }),
        at("no-repository", {}, "compare/absent"),
        at("tag-in-url", {}, "compare/failures:latest"),
        at("bad-name", {}, "compare/UPPER"),
        at("other-media-type", { layerSelector: { mediaType: "application/x-other" } }),
        at("plain", { ref: { tag: "plain" } }),
        at("nothing", { ref: { tag: "nothing" } }),
        at("no-secret", { secretRef: { name: "absent" } }),
        at("no-account", { serviceAccountName: "absent" }),
        at("no-certificate", { certSecretRef: { name: "absent" } }),
        at("bad-certificate", { certSecretRef: { name: "no-ca" } }),
        at("no-proxy", { proxySecretRef: { name: "absent" } }),
        at("bad-proxy", { proxySecretRef: { name: "proxy" } }),
        at("account-with-aws", { provider: "aws", serviceAccountName: "default" }),
        at("no-key", { verify: { provider: "cosign", secretRef: { name: "absent" } } }),
        at("notation-without", { verify: { provider: "notation" } }),
        ociRepository("refused", "oci://127.0.0.1:1/app"),
        ociRepository("not-oci", "https://127.0.0.1:1/app"),
      );
      await stage.look("created");
    },
  },
  {
    name: "oci access",
    play: async (stage, world) => {
      const { url, address } = world.privateRegistry;
      const to = { url, repository: "compare/access", user: registryUser };
      await pushArtifact(to, "latest", await artifact(files));
      const config = (registry: string, { username, password } = registryUser) =>
        JSON.stringify({ auths: { [registry]: { username, password } } });
      const type = "kubernetes.io/dockerconfigjson";
      await stage.secret("right", { ".dockerconfigjson": config(address) }, type);
      await stage.secret(
        "wrong",
        { ".dockerconfigjson": config(address, { username: "puller", password: "canary-no" }) },
        type,
      );
      await stage.secret("elsewhere", { ".dockerconfigjson": config("registry.test") }, type);
      await stage.secret("opaque", { username: "puller", password: "canary-no" });
      await stage.secret("broken", { ".dockerconfigjson": "{}" }, type);
      await stage.apply({
        apiVersion: "v1",
        kind: "ServiceAccount",
        metadata: { name: "puller" },
        imagePullSecrets: [{ name: "right" }],
      });
      const at = (name: string, spec: Record<string, unknown> = {}) =>
        ociRepository(name, `oci://${address}/compare/access`, { insecure: true, ...spec });
      await stage.apply(
        at("right", { secretRef: { name: "right" } }),
        at("wrong", { secretRef: { name: "wrong" } }),
        at("elsewhere", { secretRef: { name: "elsewhere" } }),
        at("opaque", { secretRef: { name: "opaque" } }),
        at("broken", { secretRef: { name: "broken" } }),
        at("anonymous"),
        at("account", { serviceAccountName: "puller" }),
      );
      await stage.look("created");
    },
  },
  {
    name: "oci life",
    play: async (stage, world) => {
      const { url, address } = world.registry;
      const to = { url, repository: "compare/life" };
      await pushArtifact(to, "latest", await artifact(files));
      const at = (name: string, spec: Record<string, unknown> = {}) =>
        ociRepository(name, `oci://${address}/compare/life`, { insecure: true, ...spec });
      await stage.apply(at("breaking"), at("suspended", { suspend: true }), at("tagged"));
      await stage.look("created");
      await stage.apply(at("breaking", { ref: { tag: "absent" } }));
      await stage.look("broken");
      await stage.apply(at("breaking"));
      await stage.look("mended");
      await pushArtifact(to, "latest", await artifact({ "app.yaml": "a: 2\n" }, { annotations }));
      await stage.request("OCIRepository", "breaking", "suspended", "tagged");
      await stage.look("changed");
      await removeTag(to, "latest");
      await stage.request("OCIRepository", "tagged");
      await stage.look("without its tag");
      await stage.apply(at("breaking", { layerSelector: { mediaType: "application/x-other" } }));
      await stage.look("without its layer");
      await stage.remove("OCIRepository", "breaking");
      await stage.look("deleted");
    },
  },
];
