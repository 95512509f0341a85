import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { bedPart, uniqueName } from "../../../test/bed/bed.ts";
import { helm } from "../../../test/bed/chart-repository.ts";
import { type Cosign, openCosign } from "../../../test/bed/cosign/cosign.ts";
import { helmCharts } from "../../../test/bed/helm-charts.ts";
import { makeIdentity } from "../../../test/bed/notation/certificate.ts";
import { type Notation, openNotation } from "../../../test/bed/notation/notation.ts";
import { type RegistryFront, startRegistryFront } from "../../../test/bed/registry/front.ts";
import { conditionOf, openWorkspace, type Reconciled, type Workspace } from "../../../test/bed/workspace.ts";
import type { KubernetesObject } from "../../api/object.ts";

const verified = ({ status }: Reconciled) => conditionOf(status, "SourceVerified");
const chartOf = (name: string, more = "") => `apiVersion: v2\nname: ${name}\nversion: 1.0.0\n${more}`;
const policy = {
  version: "1.0",
  trustPolicies: [
    {
      ...{ name: "charts", registryScopes: ["*"], signatureVerification: { level: "strict" } },
      ...{ trustStores: ["ca:charts"], trustedIdentities: ["x509.subject: C=US, ST=WA, O=Sluice, CN=packer"] },
    },
  ],
};

describe("spec.verify of a HelmChart", () => {
  const charts = uniqueName("charts");
  let directory: string;
  let workspace: Workspace;
  let artifacts: string;
  let front: RegistryFront;
  let cosign: Cosign;
  let notation: Notation;
  /** Where signers find the chart `app`, and where Sluice does, which asks by way of the front. */
  let [reference, told] = ["", ""];
  const { create, ready, failed } = helmCharts(() => ({ workspace, artifacts }), {
    ...{ chart: "app", version: "1.0.0", sourceRef: { kind: "HelmRepository", name: "charts" } },
  });
  const secret = (name: string, stringData: Record<string, string>) =>
    workspace.create({ apiVersion: "v1", kind: "Secret", metadata: { name }, stringData } as KubernetesObject);
  const until = (name: string, status: "True" | "False", words: string) =>
    workspace.until("HelmChart", name, (object) => {
      const condition = verified(object);
      return condition?.status === status && condition.message.includes(words);
    });
  const again = async (name: string) => {
    const value = await workspace.reconcile("HelmChart", name);
    return workspace.until("HelmChart", name, ({ status }) => status?.lastHandledReconcileAt === value);
  };
  const isOfSignatures = ({ told }: { told: string }) => /\/referrers\/|sha256-|\.sig$/.test(told);

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "sluice-verified-chart-"));
    workspace = await openWorkspace("verified-chart");
    ({ artifacts } = await bedPart("sluice"));
    const registry = await bedPart("registry");
    front = await startRegistryFront(registry.url);
    [cosign, notation] = await Promise.all([openCosign(), openNotation()]);
    const [one, two] = [await cosign.key("one"), await cosign.key("two")];
    await secret("both", { "a.pub": two.toString(), "b.pub": one.toString() });
    await mkdir(join(directory, "app"));
    await writeFile(join(directory, "app/Chart.yaml"), chartOf("app"));
    await helm("package", join(directory, "app"), "--destination", directory);
    await helm("push", join(directory, "app-1.0.0.tgz"), `oci://${registry.address}/${charts}`, "--plain-http");
    reference = `${registry.address}/${charts}/app:1.0.0`;
    told = `${front.address}/${charts}/app:1.0.0`;
    await workspace.create({
      apiVersion: "source.toolkit.fluxcd.io/v1",
      kind: "HelmRepository",
      metadata: { name: "charts" },
      spec: { type: "oci", url: `oci://${front.address}/${charts}`, insecure: true },
    });
  }, 900_000);
  afterAll(async () => {
    await front?.stop();
    await cosign?.close();
    await notation?.close();
    await workspace?.close();
    await rm(directory, { recursive: true, force: true });
  });

  it("HC-062, VER-019: is refused with sources that are no HelmRepository, and asks for nobody's signature but the chart's", async () => {
    for (const kind of ["GitRepository", "Bucket"])
      await expect(
        create("refused", { sourceRef: { kind, name: "x" }, verify: { provider: "cosign" } }),
      ).rejects.toThrow("spec.verify is only supported when spec.sourceRef.kind is 'HelmRepository'");
    // What an umbrella chart depends on comes from the same registry, where nobody has signed it.
    const needs = `dependencies: [{ name: app, version: 1.0.0, repository: "oci://${front.address}/${charts}" }]\n`;
    const repository = await workspace.repository({ "umbrella/Chart.yaml": chartOf("umbrella", needs) });
    await workspace.gitRepository("umbrella", repository.url);
    await create("umbrella", { chart: "umbrella", sourceRef: { kind: "GitRepository", name: "umbrella" } });
    const umbrella = await ready("umbrella", "1.0.0");
    expect(conditionOf(umbrella.status, "Ready")?.message).toMatch(/^packaged 'umbrella' chart with version '1\.0\.0'/);
    expect(verified(umbrella)).toBeUndefined();
    expect(front.requests.map((request) => request.told)).toContain(`GET ${charts}/app/manifests/1.0.0`);
    expect(front.requests.filter(isOfSignatures)).toEqual([]);
  });

  it("HC-062, VER-017, VER-018: verifies a chart at every attempt, with all keys of a Secret, and stores what was verified", async () => {
    await create("chart", { verify: { provider: "cosign", secretRef: { name: "both" } } });
    const unsigned = await until("chart", "False", "chart verification error: ");
    const message = `chart verification error: failed to verify oci://${told}: no matching signatures were found for '${told}'`;
    expect(verified(unsigned)).toMatchObject({ reason: "VerificationError", message });
    expect(conditionOf(unsigned.status, "BuildFailed")).toMatchObject({ reason: "ChartVerificationError", message });
    expect(unsigned.status?.artifact).toBeUndefined();
    await cosign.sign("one", "bundle", reference);
    front.requests.length = 0;
    const signed = await until("chart", "True", "verified signature of version 1.0.0");
    expect(verified(signed)?.reason).toBe("Succeeded");
    // The tag is asked for its digest alone: what is pulled is what was verified, whatever becomes of the tag.
    const asked = front.requests.map((request) => request.told).filter((one) => one.includes("/app/manifests/"));
    expect(asked).toContain(`HEAD ${charts}/app/manifests/1.0.0`);
    expect(asked).not.toContain(`GET ${charts}/app/manifests/1.0.0`);
    front.requests.length = 0;
    await again("chart");
    expect(front.requests.some(isOfSignatures)).toBe(true);
    // The key is withdrawn: the chart that is there is no longer said to be verified.
    await workspace.patch("Secret", "both", { data: { "b.pub": null } });
    await again("chart");
    const withdrawn = await until("chart", "False", "no matching signatures");
    expect(withdrawn.status?.artifact?.revision).toBe("1.0.0");
    await secret("keyless", { a: "b" });
    await create("chart-none", { verify: { provider: "cosign", secretRef: { name: "keyless" } } });
    const none = await until("chart-none", "False", "no public keys found");
    expect(verified(none)?.message).toBe(
      `failed to verify the signature using provider 'cosign': no public keys found in secret '${workspace.namespace}/keyless'`,
    );
  });

  it("HC-062, VER-017: takes what notation has signed, as the policy says", async () => {
    const root = makeIdentity({ commonName: "root", authority: {} });
    const [packer, other] = ["packer", "other"].map((commonName) => makeIdentity({ commonName, issuer: root }));
    if (packer === undefined || other === undefined) throw new Error("there is nobody to sign");
    await secret("policy", { "trustpolicy.json": JSON.stringify(policy), "ca.crt": root.certificate });
    await create("chart-policyless", { verify: { provider: "notation" } });
    await until("chart-policyless", "False", "verification secret cannot be empty: 'chart-policyless'");
    await notation.sign(other, "jws", reference);
    await create("chart-notation", { verify: { provider: "notation", secretRef: { name: "policy" } } });
    const strange = await failed("chart-notation", "BuildFailed", "does not match the X.509 trusted identities");
    expect(conditionOf(strange.status, "BuildFailed")?.reason).toBe("ChartVerificationError");
    await notation.sign(packer, "cose", reference);
    await until("chart-notation", "True", "verified signature of version 1.0.0");
    await ready("chart-notation", "1.0.0");
  });
});
