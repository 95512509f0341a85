import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { openCosign } from "../../bed/cosign/cosign.ts";
import { makeIdentity } from "../../bed/notation/certificate.ts";
import { openNotation } from "../../bed/notation/notation.ts";
import { pushArtifact } from "../../bed/registry/push.ts";
import type { Case } from "../case.ts";
import { helmChart, helmRepository, ociRepository } from "../objects.ts";
import { tarGz } from "../tar-gz.ts";

const chartType = "application/vnd.cncf.helm.chart.content.v1.tar+gzip";
const configType = "application/vnd.cncf.helm.config.v1+json";

const policy = (level: string, identity: string) => ({
  version: "1.0",
  trustPolicies: [
    {
      name: "all",
      registryScopes: ["*"],
      signatureVerification: { level },
      trustStores: ["ca:all"],
      trustedIdentities: [identity],
    },
  ],
});

/** Signatures of artifacts and of charts. */
export const signatureCases: readonly Case[] = [
  {
    name: "signatures",
    play: async (stage, world) => {
      const [cosign, notation] = await Promise.all([openCosign(), openNotation()]);
      try {
        const { url, address } = world.registry;
        const [one, two] = [await cosign.key("one"), await cosign.key("two")];
        const { identity, authority } = signer();
        const content = await tarGz({ "app.yaml": "a: 1\n" });
        const layers = [{ mediaType: "application/vnd.cncf.flux.content.v1.tar+gzip", content }];
        const push = async (name: string) => {
          const repository = `compare/signed-${name}`;
          const { digest } = await pushArtifact({ url, repository }, "latest", { layers, annotations: { name } });
          return `${address}/${repository}@${digest}`;
        };
        await cosign.sign("one", "bundle", await push("bundle"), "--allow-insecure-registry");
        await cosign.sign("one", "legacy", await push("legacy"), "--allow-insecure-registry");
        await notation.sign(identity, "jws", await push("jws"));
        await notation.sign(identity, "cose", await push("cose"));
        await push("none");
        await stage.secret("one", { "one.pub": one.toString() });
        await stage.secret("two", { "two.pub": two.toString() });
        await stage.secret("both", { "a.pub": two.toString(), "b.pub": one.toString() });
        await stage.secret("no-key", { other: "x" });
        await stage.secret("bad-key", { "bad.pub": "nothing" });
        const text = (level: string, name = "x509.subject: C=US, ST=WA, O=Sluice, CN=packer") =>
          JSON.stringify(policy(level, name));
        const other = "x509.subject: C=US, ST=WA, O=Other, CN=packer";
        await stage.secret("strict", { "trustpolicy.json": text("strict"), "ca.crt": authority });
        await stage.secret("audit-other", { "trustpolicy.json": text("audit", other), "ca.crt": authority });
        await stage.secret("strict-other", { "trustpolicy.json": text("strict", other), "ca.crt": authority });
        await stage.secret("no-policy", { "ca.crt": authority });
        await stage.secret("no-certificate", { "trustpolicy.json": text("strict") });
        await stage.secret("bad-policy", { "trustpolicy.json": "{", "ca.crt": authority });
        await stage.secret("empty-policy", { "trustpolicy.json": "{}", "ca.crt": authority });
        const at = (name: string, artifact: string, provider: string, secret?: string) =>
          ociRepository(name, `oci://${address}/compare/signed-${artifact}`, {
            insecure: true,
            verify: { provider, ...(secret === undefined ? {} : { secretRef: { name: secret } }) },
          });
        await stage.apply(
          at("bundle", "bundle", "cosign", "one"),
          at("legacy", "legacy", "cosign", "one"),
          at("legacy-both", "legacy", "cosign", "both"),
          at("bundle-two", "bundle", "cosign", "two"),
          at("unsigned", "none", "cosign", "one"),
          at("no-key", "bundle", "cosign", "no-key"),
          at("bad-key", "bundle", "cosign", "bad-key"),
          at("no-secret", "bundle", "cosign", "absent"),
          at("jws", "jws", "notation", "strict"),
          at("cose", "cose", "notation", "strict"),
          at("jws-other", "jws", "notation", "strict-other"),
          at("jws-audit", "jws", "notation", "audit-other"),
          at("unsigned-notation", "none", "notation", "strict"),
          at("no-policy", "jws", "notation", "no-policy"),
          at("no-certificate", "jws", "notation", "no-certificate"),
          at("bad-policy", "jws", "notation", "bad-policy"),
          at("empty-policy", "jws", "notation", "empty-policy"),
          at("no-notation-secret", "jws", "notation"),
        );
        await stage.look("created");
        await stage.request("OCIRepository", "bundle", "unsigned", "jws");
        await stage.look("unchanged");
        await stage.apply(
          at("bundle", "bundle", "cosign", "two"),
          ociRepository("legacy", `oci://${address}/compare/signed-legacy`, { insecure: true }),
          at("unsigned", "bundle", "cosign", "one"),
        );
        await stage.look("edited");
      } finally {
        await cosign.close();
        await notation.close();
      }
    },
  },
  {
    name: "signed charts",
    play: async (stage, world) => {
      const cosign = await openCosign();
      try {
        const { url, address } = world.registry;
        const charts = await world.chartRepository();
        const key = await cosign.key("one");
        for (const name of ["signed", "unsigned"]) {
          await charts.publish(name, "1.0.0");
          const content = await readFile(join(charts.directory, `${name}-1.0.0.tgz`));
          const config = { mediaType: configType, content: Buffer.from(JSON.stringify({ name, version: "1.0.0" })) };
          const to = { url, repository: `signed-charts/${name}` };
          const { digest } = await pushArtifact(to, "1.0.0", { layers: [{ mediaType: chartType, content }], config });
          if (name === "signed")
            await cosign.sign("one", "bundle", `${address}/${to.repository}@${digest}`, "--allow-insecure-registry");
        }
        await stage.secret("key", { "one.pub": key.toString() });
        await stage.secret("ca", { "ca.crt": charts.certificateAuthority });
        await stage.apply(
          helmRepository("charts", `oci://${address}/signed-charts`, { type: "oci", insecure: true }),
          helmRepository("indexed", charts.url, { certSecretRef: { name: "ca" } }),
        );
        await stage.settle();
        const verify = { provider: "cosign", secretRef: { name: "key" } };
        await stage.apply(
          helmChart("signed", "signed", { verify }),
          helmChart("unsigned", "unsigned", { verify }),
          helmChart("indexed", "signed", { verify, sourceRef: { kind: "HelmRepository", name: "indexed" } }),
        );
        await stage.look("created");
        await stage.apply(helmChart("signed", "signed"), helmChart("unsigned", "unsigned"));
        await stage.look("edited");
      } finally {
        await cosign.close();
      }
    },
  },
];

function signer() {
  const root = makeIdentity({ commonName: "root", authority: {} });
  return { identity: makeIdentity({ commonName: "packer", issuer: root }), authority: root.certificate };
}
