import { configMap, deployment } from "./artifact-of.ts";

/** A little of everything that a transformer of kustomize may look for. */
export const around: Record<string, string | object> = {
  "app.yaml": deployment("app", "example.com/app:1"),
  "service.yaml": {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name: "app", annotations: { note: "service" } },
    spec: { selector: { app: "app" }, ports: [{ port: 80 }] },
  },
  "config.yaml": configMap("config", { HOST: "old.test", "app.json": '{"host":"old.test"}' }),
  "stateful.yaml": {
    apiVersion: "apps/v1",
    kind: "StatefulSet",
    metadata: { name: "db", labels: { tier: "data" } },
    spec: {
      replicas: 1,
      serviceName: "app",
      selector: { matchLabels: { app: "db" } },
      template: {
        metadata: { labels: { app: "db" } },
        spec: {
          containers: [
            {
              name: "db",
              image: "db",
              envFrom: [{ configMapRef: { name: "config" } }],
              command: ["run", "$(SERVICE)"],
            },
          ],
          volumes: [{ name: "v", configMap: { name: "generated" } }],
        },
      },
    },
  },
  "foo.yaml": {
    apiVersion: "example.com/v1",
    kind: "Foo",
    metadata: { name: "foo" },
    spec: {
      image: "example.com/app:1",
      configRef: { name: "config" },
      replicas: 1,
      items: [{ name: "a" }, { name: "b" }],
    },
  },
  "role.yaml": {
    apiVersion: "rbac.authorization.k8s.io/v1",
    kind: "ClusterRoleBinding",
    metadata: { name: "binding" },
    roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "view" },
    subjects: [{ kind: "ServiceAccount", name: "runner", namespace: "default" }],
  },
  "account.yaml": { apiVersion: "v1", kind: "ServiceAccount", metadata: { name: "runner" } },
  "text.txt": "line one\nline two\n",
  "binary.bin": "\u0000\u0001text",
  "some.env": "A=1\nB=two words\n# comment\n",
  "nameref.yaml": {
    nameReference: [{ kind: "ConfigMap", fieldSpecs: [{ kind: "Foo", path: "spec/configRef/name" }] }],
    images: [{ kind: "Foo", path: "spec/image" }],
  },
  "crd.json": {
    "example.com/v1.Foo": {
      Schema: {
        description: "Foo",
        properties: { spec: { $ref: "example.com/v1.FooSpec" } },
        "x-kubernetes-group-version-kind": [{ group: "example.com", version: "v1", kind: "Foo" }],
      },
    },
    "example.com/v1.FooSpec": {
      Schema: {
        properties: {
          configRef: {
            "x-kubernetes-object-ref-api-version": "v1",
            "x-kubernetes-object-ref-kind": "ConfigMap",
            "x-kubernetes-object-ref-name-key": "name",
          },
        },
      },
    },
  },
  "schema.json": {
    definitions: {
      "v1.Foo": {
        type: "object",
        properties: {
          spec: {
            type: "object",
            properties: {
              items: {
                type: "array",
                items: { type: "object" },
                "x-kubernetes-patch-merge-key": "name",
                "x-kubernetes-patch-strategy": "merge",
              },
            },
          },
        },
        "x-kubernetes-group-version-kind": [{ group: "example.com", kind: "Foo", version: "v1" }],
      },
    },
  },
  "patch.yaml": configMap("config", { patched: "yes" }),
  "patch.json": '[{"op":"replace","path":"/data/HOST","value":"json.test"}]',
  "replacement.yaml": {
    source: { kind: "ConfigMap", name: "config", fieldPath: "data.HOST" },
    targets: [{ select: { kind: "Foo" }, fieldPaths: ["spec.host"], options: { create: true } }],
  },
  "labels.yaml": builtin("LabelTransformer", {
    labels: { plugin: "yes" },
    fieldSpecs: [{ path: "metadata/labels", create: true }],
  }),
  "more/kustomization.yaml": { resources: ["../labels.yaml"] },
};
/** The manifests among them. */
export const resources = [
  "app.yaml",
  "service.yaml",
  "config.yaml",
  "stateful.yaml",
  "foo.yaml",
  "role.yaml",
  "account.yaml",
];

/** Configuration of a built-in plugin. */
export function builtin(kind: string, fields: object): object {
  return { apiVersion: "builtin", kind, metadata: { name: "plugin" }, ...fields };
}
