/** The four objects of one application, two of which change with `version`: the set of Flux's own benchmark. */
export function application(name: string, version: number): string {
  const labels = { app: name };
  const objects = [
    { apiVersion: "v1", kind: "ServiceAccount", metadata: { name } },
    { apiVersion: "v1", kind: "ConfigMap", metadata: { name }, data: { version: String(version) } },
    { apiVersion: "v1", kind: "Service", metadata: { name }, spec: { selector: labels, ports: [{ port: 80 }] } },
    {
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata: { name },
      spec: {
        replicas: 0,
        selector: { matchLabels: labels },
        template: {
          metadata: { labels, annotations: { version: String(version) } },
          spec: { serviceAccountName: name, containers: [{ name, image: "example.invalid/application" }] },
        },
      },
    },
  ];
  return objects.map((object) => `${JSON.stringify(object)}\n`).join("---\n");
}

/** Twelve objects of as many kinds, which use the variables `a` and `b`. */
export function objectsOfTwelveKinds(name: string): string {
  const metadata = { name, annotations: { a: `\${a}`, b: `\${b}` } };
  const rules = [{ apiGroups: [""], resources: ["configmaps"], verbs: ["get"] }];
  const podSelector = { matchLabels: { app: name } };
  const role = { apiGroup: "rbac.authorization.k8s.io", kind: "Role", name };
  const template = {
    metadata: { labels: { app: name } },
    spec: { restartPolicy: "Never", containers: [{ name, image: "example.invalid/application" }] },
  };
  const objects = [
    { apiVersion: "v1", kind: "ServiceAccount", metadata },
    { apiVersion: "v1", kind: "ConfigMap", metadata, data: {} },
    { apiVersion: "v1", kind: "Secret", metadata },
    { apiVersion: "v1", kind: "Service", metadata, spec: { ports: [{ port: 80 }] } },
    { apiVersion: "v1", kind: "LimitRange", metadata, spec: { limits: [{ type: "Container", max: { cpu: "8" } }] } },
    { apiVersion: "v1", kind: "ResourceQuota", metadata, spec: { hard: { pods: "100" } } },
    { apiVersion: "rbac.authorization.k8s.io/v1", kind: "Role", metadata, rules },
    {
      apiVersion: "rbac.authorization.k8s.io/v1",
      kind: "RoleBinding",
      metadata,
      roleRef: role,
      subjects: [{ kind: "ServiceAccount", name }],
    },
    { apiVersion: "networking.k8s.io/v1", kind: "NetworkPolicy", metadata, spec: { podSelector } },
    {
      apiVersion: "policy/v1",
      kind: "PodDisruptionBudget",
      metadata,
      spec: { minAvailable: 1, selector: podSelector },
    },
    {
      apiVersion: "batch/v1",
      kind: "CronJob",
      metadata,
      spec: { schedule: "0 0 1 1 *", suspend: true, jobTemplate: { spec: { template } } },
    },
    {
      apiVersion: "networking.k8s.io/v1",
      kind: "Ingress",
      metadata,
      spec: { defaultBackend: { service: { name, port: { number: 80 } } } },
    },
  ];
  return objects.map((object) => `${JSON.stringify(object)}\n`).join("---\n");
}
