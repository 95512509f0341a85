import { describe, expect, it } from "vitest";
import type { KubernetesObject } from "../api/object.ts";
import { prepareObject } from "./desired.ts";

const owner = { ownerLabels: { "example.org/name": "x" } };
const prepare = (object: KubernetesObject) => prepareObject(object, owner);

const definition = (caBundle: string, status?: unknown): KubernetesObject => ({
  apiVersion: "apiextensions.k8s.io/v1",
  kind: "CustomResourceDefinition",
  metadata: { name: "x" },
  spec: { conversion: { webhook: { clientConfig: { caBundle, url: "https://x" } } } },
  ...(status === undefined ? {} : { status }),
});

describe("prepareObject", () => {
  it("KS-155, KS-079: sets owner labels, then common metadata over both", () => {
    const object = {
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { name: "x", labels: { app: "a", "example.org/name": "other" } },
    };
    const commonMetadata = { labels: { app: "b" }, annotations: { note: "n" } };
    expect(prepareObject(object, { ...owner, commonMetadata }).metadata).toEqual({
      name: "x",
      labels: { app: "b", "example.org/name": "x" },
      annotations: { note: "n" },
    });
    expect(object.metadata.labels.app).toBe("a");
  });

  it("KS-077: leaves out status, but for definitions, and what the API server alone writes", () => {
    const object = {
      apiVersion: "example.org/v1",
      kind: "Widget",
      metadata: { name: "x", creationTimestamp: "2026-01-01T00:00:00Z", managedFields: [] },
      spec: { kept: null },
      status: {},
    };
    expect(prepare(object)).toEqual({
      apiVersion: "example.org/v1",
      kind: "Widget",
      metadata: { name: "x", labels: owner.ownerLabels },
      spec: { kept: null },
    });
    expect(prepare(definition("", { conditions: [] })).status).toEqual({ conditions: [] });
  });

  it("KS-077: nulls of native kinds are not sent, but for texts and quantities", () => {
    const container = {
      name: "app",
      command: null,
      resources: { limits: { cpu: null } },
      ports: [{ containerPort: 80 }],
    };
    const deployment = {
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata: { name: "x" },
      spec: { replicas: null, template: { metadata: { labels: { a: null } }, spec: { containers: [container] } } },
    };
    expect(prepare(deployment).spec).toEqual({
      template: {
        metadata: { labels: { a: "" } },
        spec: {
          containers: [
            { name: "app", resources: { limits: { cpu: null } }, ports: [{ containerPort: 80, protocol: "TCP" }] },
          ],
        },
      },
    });
    const role = { apiVersion: "rbac.authorization.k8s.io/v1", kind: "Role", metadata: { name: "x" }, rules: null };
    expect(prepare(role).rules).toBeNull();
  });

  it("KS-077: stringData goes into data", () => {
    const secret = {
      apiVersion: "v1",
      kind: "Secret",
      metadata: { name: "x" },
      data: { a: "YQ==", b: "b2xk" },
      stringData: { b: "new" },
    };
    expect(prepare(secret)).toEqual({
      apiVersion: "v1",
      kind: "Secret",
      metadata: { name: "x", labels: owner.ownerLabels },
      data: { a: "YQ==", b: Buffer.from("new").toString("base64") },
    });
  });

  it("KS-078: a definition's bundle that holds no certificate is left out", () => {
    const config = (bundle: string) => JSON.stringify(prepare(definition(bundle)).spec);
    expect(config("Cg==")).not.toContain("caBundle");
    expect(config("bm9uc2Vuc2U=")).not.toContain("caBundle");
    expect(config("")).toContain("caBundle");
  });
});
