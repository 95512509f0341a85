import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { archivedFiles } from "../../test/bed/archived-files.ts";
import { bedPart } from "../../test/bed/bed.ts";
import { conditionOf, openWorkspace, type Workspace } from "../../test/bed/workspace.ts";
import { patchObject } from "../cluster/objects.ts";

const v1 = "source.toolkit.fluxcd.io/v1";

describe("what old versions of Flux left behind", () => {
  let workspace: Workspace;
  let artifacts: string;

  beforeAll(async () => {
    workspace = await openWorkspace("old-versions");
    ({ artifacts } = await bedPart("sluice"));
    const repository = await workspace.repository({
      "app/Chart.yaml": "apiVersion: v2\nname: app\nversion: 1.0.0\n",
      "app/values.yaml": "from: chart\n",
      "old.yaml": "from: old\n",
      "new.yaml": "from: new\n",
    });
    await workspace.gitRepository("source", repository.url);
  });
  afterAll(() => workspace?.close());

  it("CV-004: a HelmChart of v1beta2 with valuesFile and accessFrom is packaged; valuesFile has no effect", async () => {
    await workspace.create({
      apiVersion: "source.toolkit.fluxcd.io/v1beta2",
      kind: "HelmChart",
      metadata: { name: "chart" },
      spec: {
        chart: "./app",
        interval: "1h",
        sourceRef: { kind: "GitRepository", name: "source" },
        valuesFile: "./old.yaml",
        valuesFiles: ["./new.yaml"],
        accessFrom: { namespaceSelectors: [{ matchLabels: { team: "a" } }] },
      },
    });
    const { spec, status } = await workspace.untilReady("HelmChart", "chart");
    expect(spec).toMatchObject({ valuesFile: "./old.yaml", valuesFiles: ["./new.yaml"] });
    const files = await archivedFiles(await readFile(join(artifacts, "bed", status?.artifact?.path ?? "")));
    expect(files["app/values.yaml"]).toContain("from: new");
  });

  it("CV-007: a status with a revision as it was, of a file that is not here, leads to a new artifact", async () => {
    const { namespace, client } = workspace;
    const { status } = await workspace.untilReady("GitRepository", "source");
    const { artifact } = status ?? {};
    const sha = artifact?.revision.split(":")[1] ?? "";
    const old = {
      revision: `main/${sha}`,
      checksum: "0".repeat(64),
      digest: `sha256:${"0".repeat(64)}`,
      path: `gitrepository/${namespace}/source/${sha}.tar.gz`,
      url: `http://source-controller.flux-system.svc.cluster.local./gitrepository/${namespace}/source/${sha}.tar.gz`,
      lastUpdateTime: "2022-03-01T12:00:00Z",
    };
    const reference = { apiVersion: v1, kind: "GitRepository", namespace, name: "source" };
    const merge = { status: { artifact: old, url: "http://old/latest.tar.gz", contentConfigChecksum: "old" } };
    await patchObject(client, reference, { merge }, { fieldManager: "source-controller", subresource: "status" });
    const asked = await workspace.reconcile("GitRepository", "source");
    const built = await workspace.until(
      "GitRepository",
      "source",
      (object) => object.status?.lastHandledReconcileAt === asked,
    );
    expect(conditionOf(built.status, "Ready")?.status).toBe("True");
    expect(built.status?.artifact).toMatchObject({ revision: `main@sha1:${sha}`, digest: artifact?.digest });
  });
});
