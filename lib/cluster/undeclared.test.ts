import { describe, expect, it } from "vitest";
import { ApiError } from "./api-error.ts";
import { dropUndeclared } from "./undeclared.ts";

const refusal = (text: string) =>
  new ApiError(500, "", `failed to create typed patch object (n/a; apps/v1, Kind=X): ${text}`);

const deployment = () => ({
  apiVersion: "apps/v1",
  kind: "Deployment",
  metadata: { name: "a", nmae: "a" },
  spec: {
    replcias: 3,
    template: {
      spec: {
        containers: [
          { name: "app", imagee: "x", ports: [{ containerPort: 53, prto: "UDP" }] },
          { name: "b]c", imagee: "x" },
        ],
        tolerations: [{ kye: "a" }],
      },
    },
  },
});

describe("dropUndeclared", () => {
  it("KS-077: drops each field that the schema lacks", () => {
    const paths = [
      ".metadata.nmae",
      '.spec.template.spec.containers[name="app"].imagee',
      '.spec.template.spec.containers[name="b]c"].imagee',
      '.spec.template.spec.containers[name="app"].ports[containerPort=53,protocol="TCP"].prto',
      ".spec.template.spec.tolerations[0].kye",
      ".spec.replcias",
    ];
    const text = `errors:\n${paths.map((path) => `  ${path}: field not declared in schema`).join("\n")}`;
    expect(dropUndeclared(deployment(), refusal(text))).toEqual({
      dropped: paths,
      object: {
        apiVersion: "apps/v1",
        kind: "Deployment",
        metadata: { name: "a" },
        spec: {
          template: {
            spec: { containers: [{ name: "app", ports: [{ containerPort: 53 }] }, { name: "b]c" }], tolerations: [{}] },
          },
        },
      },
    });
  });

  it("KS-077: leaves what it cannot mend: other errors, custom kinds, roles, fields that are not there", () => {
    const one = refusal(".spec.replcias: field not declared in schema");
    expect(dropUndeclared(deployment(), one)?.dropped).toEqual([".spec.replcias"]);
    expect(dropUndeclared({ ...deployment(), apiVersion: "example.org/v1" }, one)).toBeUndefined();
    const role = { ...deployment(), apiVersion: "rbac.authorization.k8s.io/v1", kind: "Role" };
    expect(dropUndeclared(role, one)).toBeUndefined();
    expect(dropUndeclared(deployment(), refusal(".spec.nothing: field not declared in schema"))).toBeUndefined();
    const mixed = refusal("errors:\n  .spec.replcias: field not declared in schema\n  .spec.x: expected string, got 5");
    expect(dropUndeclared(deployment(), mixed)).toBeUndefined();
    expect(dropUndeclared(deployment(), new Error("no"))).toBeUndefined();
  });
});
