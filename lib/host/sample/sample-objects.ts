import type { KubernetesObject } from "../../api/object.ts";

/** Where the sample's objects are: the namespace of Flux's own, under this name. */
export const sampleName = { namespace: "flux-system", name: "sample" } as const;

/** The first commit of the sample repository. No kubelet runs in the embedded cluster, so nothing here starts a Pod. */
export const sampleContent: Record<string, string> = {
  "README.md": `# Sample

What is below \`deploy/\` is what the cluster holds. Change \`deploy/hello.yaml\`, commit, push, and look again.
`,
  "deploy/namespace.yaml": `apiVersion: v1
kind: Namespace
metadata:
  name: sample
`,
  "deploy/hello.yaml": `apiVersion: v1
kind: ConfigMap
metadata:
  name: hello
  namespace: sample
data:
  message: Hello
`,
};

/**
 * What makes the cluster follow the sample repository: a GitRepository, a Kustomization, and a Receiver that the repository's
 * server calls after a push. `token` is the secret that these two share.
 */
export function sampleObjects(repositoryUrl: string, token: string): KubernetesObject[] {
  return [
    {
      apiVersion: "v1",
      kind: "Secret",
      metadata: { name: "sample-receiver", namespace: sampleName.namespace },
      type: "Opaque",
      stringData: { token },
    },
    {
      apiVersion: "source.toolkit.fluxcd.io/v1",
      kind: "GitRepository",
      metadata: { ...sampleName },
      spec: { interval: "10m", url: repositoryUrl, ref: { branch: "main" } },
    },
    {
      apiVersion: "kustomize.toolkit.fluxcd.io/v1",
      kind: "Kustomization",
      metadata: { ...sampleName },
      spec: {
        interval: "10m",
        path: "./deploy",
        prune: true,
        wait: true,
        timeout: "2m",
        sourceRef: { kind: "GitRepository", name: sampleName.name },
      },
    },
    {
      apiVersion: "notification.toolkit.fluxcd.io/v1",
      kind: "Receiver",
      metadata: { ...sampleName },
      spec: {
        type: "generic-hmac",
        secretRef: { name: "sample-receiver" },
        resources: [{ kind: "GitRepository", name: sampleName.name }],
      },
    },
  ];
}
