import type { Case } from "../case.ts";
import { helmRepository } from "../objects.ts";

/** HelmRepositories. */
export const helmRepositoryCases: readonly Case[] = [
  {
    name: "helm repositories",
    play: async (stage, world) => {
      const { privateCharts } = world;
      const charts = await world.chartRepository();
      await charts.publish("listed", "1.0.0", { "Chart.yaml": chartYaml("listed", "1.0.0") });
      await charts.publish("listed", "0.9.0+build");
      await privateCharts.publish("hidden", "1.0.0");
      await stage.secret("ca", { "ca.crt": charts.certificateAuthority });
      await stage.secret("private", { "ca.crt": privateCharts.certificateAuthority });
      await stage.secret("basic", { username: "reader", password: "canary-4711" });
      await stage.secret("wrong", { username: "reader", password: "canary-wrong" });
      await stage.secret("user-alone", { username: "reader" });
      await stage.secret("with-ca", {
        username: "reader",
        password: "canary-4711",
        caFile: privateCharts.certificateAuthority,
      });
      await stage.secret("no-ca", { "ca.crt": "nothing" });
      await stage.secret("half", { "tls.crt": charts.client.certificate });
      const own = { certSecretRef: { name: "ca" } };
      const hidden = { certSecretRef: { name: "private" } };
      const secret = (name: string) => ({ secretRef: { name } });
      await stage.apply(
        helmRepository("listed", charts.url, own),
        helmRepository("slash", `${charts.url}/`, own),
        helmRepository("basic", privateCharts.url, { ...hidden, ...secret("basic") }),
        helmRepository("old-ca", privateCharts.url, secret("with-ca")),
        helmRepository("wrong", privateCharts.url, { ...hidden, ...secret("wrong") }),
        helmRepository("anonymous", privateCharts.url, hidden),
        helmRepository("user-alone", privateCharts.url, { ...hidden, ...secret("user-alone") }),
        helmRepository("no-secret", charts.url, secret("absent")),
        helmRepository("no-ca", charts.url, { certSecretRef: { name: "absent" } }),
        helmRepository("bad-ca", charts.url, { certSecretRef: { name: "no-ca" } }),
        helmRepository("half-pair", charts.url, { certSecretRef: { name: "half" } }),
        helmRepository("unknown-authority", charts.url),
        helmRepository("absent", `${charts.url}/nowhere/index`, own),
        helmRepository("refused", "http://127.0.0.1:1/charts"),
        helmRepository("oci", `oci://${world.registry.address}/charts`, { type: "oci" }),
        helmRepository("oci-as-default", `oci://${world.registry.address}/charts`),
        helmRepository("default-as-oci", charts.url, { ...own, type: "oci" }),
        helmRepository("bad-url", "https://[::1"),
        helmRepository("suspended", charts.url, { ...own, suspend: true }),
        { ...helmRepository("no-interval", charts.url), spec: { url: charts.url, ...own } },
      );
      await stage.look("created");
      await stage.request("HelmRepository", "listed", "basic", "absent");
      await stage.look("unchanged");
      await charts.publish("listed", "1.1.0");
      await stage.request("HelmRepository", "listed", "suspended", "no-interval", "old-ca");
      await stage.look("changed");
      await stage.apply(helmRepository("listed", `${charts.url}/nowhere/index`, own));
      await stage.look("broken");
      await stage.apply(helmRepository("listed", charts.url, own));
      await stage.look("mended");
      await stage.apply(
        helmRepository("slash", `oci://${world.registry.address}/charts`, { type: "oci" }),
        helmRepository("oci", charts.url, own),
      );
      await stage.look("types changed");
      await stage.remove("HelmRepository", "listed");
      await stage.look("deleted");
    },
  },
  {
    name: "helm indexes",
    play: async (stage, world) => {
      const entry = "  - name: app\n    version: 1.0.0\n    apiVersion: v2\n    urls: [app-1.0.0.tgz]\n";
      const indexes: Record<string, string> = {
        empty: "",
        html: "<html><body>no index</body></html>",
        "no-version": `entries:\n  app:\n${entry}`,
        unknown: `apiVersion: v1\nsomething: else\nentries:\n  app:\n${entry}`,
        twice: `apiVersion: v1\nentries:\n  app:\n${entry}  app:\n${entry}`,
        invalid: `apiVersion: v1\nentries:\n  app:\n  - name: app\n    version: "no version"\n    apiVersion: v2\n${entry}`,
        "nil-entries": `apiVersion: v1\nentries:\n  app:\n  -\n${entry}`,
        json: JSON.stringify({
          apiVersion: "v1",
          entries: { app: [{ name: "app", version: "1.0.0", apiVersion: "v2", urls: ["a.tgz"] }] },
        }),
        unsorted: `apiVersion: v1\nentries:\n  app:\n${["1.0.0", "10.0.0", "2.0.0-rc.1", "2.0.0"].map((version) => entry.replace("1.0.0", version)).join("")}  zoo:\n${entry.replace("app", "zoo")}`,
        everything: `apiVersion: v1\ngenerated: "2026-01-02T03:04:05.123456789Z"\nserverInfo: {contextPath: /x}\nannotations: {a: b}\npublicKeys: [k]\nentries:\n  app:\n  - name: app\n    home: https://h\n    sources: [https://s]\n    version: 1.0.0\n    description: "<b> & 'é' \\u2028"\n    keywords: [k]\n    maintainers: [{name: nn, email: e, url: u}]\n    icon: i\n    apiVersion: v2\n    condition: c\n    tags: t\n    appVersion: "1"\n    deprecated: true\n    annotations: {x: "y"}\n    kubeVersion: ">=1.20"\n    dependencies: [{name: d, version: 1.x, repository: https://r, condition: c, tags: [t], enabled: true, import-values: [a, {child: c, parent: p}], alias: al}]\n    type: application\n    urls: [a.tgz]\n    created: 2026-01-02T03:04:05.6+02:00\n    removed: true\n    digest: abc\n`,
      };
      const charts = await world.chartRepository();
      await stage.secret("ca", { "ca.crt": charts.certificateAuthority });
      charts.intercept = (request, response) => {
        const name = /^\/indexes\/([a-z-]+)\/index.yaml$/.exec(request.url ?? "")?.[1];
        const text = name === undefined ? undefined : indexes[name];
        if (text === undefined) return false;
        response.end(text);
        return true;
      };
      await stage.apply(
        ...Object.keys(indexes).map((name) =>
          helmRepository(name, `${charts.url}/indexes/${name}`, { certSecretRef: { name: "ca" } }),
        ),
      );
      await stage.look("created");
    },
  },
];

function chartYaml(name: string, version: string): string {
  return `apiVersion: v2\nname: ${name}\nversion: ${version}\nappVersion: "1.2"\ndescription: A <b>chart</b> & more\nkeywords: [a, b]\nmaintainers: [{name: Jane, email: jane@example.com}]\nannotations: {z: "1", a: "2"}\n`;
}
