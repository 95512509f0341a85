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
