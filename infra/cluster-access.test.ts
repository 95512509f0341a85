import { describe, expect, it } from "vitest";
import { accessRules } from "../lib/api/install/rbac.ts";
import { groupsOf } from "./cluster-access.ts";
import { readable, resourcesOf, type Template, templatesOf } from "./template.ts";

const connecting = ["webhook", "source", "apply", "notify", "schedule", "pushes"] as const;

describe("access of the functions to EKS clusters (BS-045)", () => {
  const templates = templatesOf({
    clusters: [
      { id: "prod", type: "eks", name: "prod" },
      { id: "staging", type: "eks", name: "stage", region: "us-east-1" },
      { id: "europe", type: "eks", name: "prod", region: "eu-central-1" },
      { id: "edge", type: "kubeconfig", secret: "edge/kubeconfig" },
    ],
  });

  it("is an entry for each role that connects, with its groups and no policy of EKS's", () => {
    const entries = entriesOf(templates.sluice);
    expect(entries.filter(({ ClusterName }) => ClusterName === "prod")).toEqual(
      connecting.map((name) => ({
        ClusterName: "prod",
        PrincipalArn: `${name.charAt(0).toUpperCase()}${name.slice(1)}Role.Arn`,
        Type: "STANDARD",
        KubernetesGroups: name === "apply" ? ["sluice:reconcilers"] : ["sluice:controllers"],
      })),
    );
  });

  it("is in the main stack for every cluster of its region, however the region was given", () => {
    expect([...new Set(entriesOf(templates.sluice).map(({ ClusterName }) => ClusterName))]).toEqual(["prod", "stage"]);
  });

  it("is in a stack of its own for another region, and names the same roles", () => {
    expect(Object.keys(templates)).toEqual(["sluice", "sluice-access-eu-central-1"]);
    expect(entriesOf(templates["sluice-access-eu-central-1"]).map(({ PrincipalArn }) => PrincipalArn)).toEqual(
      connecting.map((name) => `arn:aws:iam::111111111111:role/sluice-${name}-us-east-1`),
    );
    const roles = Object.values(resourcesOf(templates.sluice ?? { Resources: {} }, "AWS::IAM::Role"));
    expect(roles.map(({ Properties }) => Properties.RoleName)).toContain("sluice-apply-us-east-1");
  });

  it("says which region is missing when the two cannot be compared", () => {
    const config = { clusters: [{ id: "europe", type: "eks", name: "prod", region: "eu-central-1" }] };
    expect(() => templatesOf(config, { home: {} })).toThrow("region: must be given");
    expect(() => templatesOf({ ...config, region: "eu-central-1" }, { home: {} })).not.toThrow();
  });

  it("uses the groups that `sluice install` gives rights to, and cluster-admin is apply's alone", () => {
    const bound = accessRules().flatMap((rule) =>
      rule.kind === "ClusterRoleBinding"
        ? (rule as unknown as { subjects: { kind: string; name: string }[]; roleRef: { name: string } }).subjects
            .filter(({ kind }) => kind === "Group")
            .map(({ name }) => ({ group: name, role: (rule as unknown as { roleRef: { name: string } }).roleRef.name }))
        : [],
    );
    const rolesOf = (groups: string[]) =>
      new Set(bound.filter(({ group }) => groups.includes(group)).map(({ role }) => role));
    for (const name of connecting) {
      expect([...rolesOf(groupsOf(name))]).toEqual([
        name === "apply" ? "cluster-admin" : "sluice-controllers-flux-system",
      ]);
    }
  });
});

function entriesOf(template: Template | undefined): Record<string, unknown>[] {
  return Object.values(resourcesOf(template ?? { Resources: {} }, "AWS::EKS::AccessEntry")).map(
    ({ Properties }) => readable(Properties) as Record<string, unknown>,
  );
}
