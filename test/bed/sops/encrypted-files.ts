import { configMap } from "../workspace.ts";

/** What may be in clear text of a Kubernetes object that SOPS encrypts (KS-090). */
export const ofData = ["--encrypted-regex", "^(data|stringData|spec)$"];

/** Text as a Secret holds it. */
export const base64 = (text: string) => Buffer.from(text).toString("base64");

/** A Secret in clear text. */
export function secret(
  name: string,
  stringData: Record<string, string>,
  annotations: Record<string, string> = {},
): string {
  return JSON.stringify({ apiVersion: "v1", kind: "Secret", metadata: { name, annotations }, stringData });
}

/** A repository in which everything that can be encrypted is: `clear-1` and so on are what must never be seen. */
export async function encryptedFiles(
  encrypt: (name: string, text: string, args?: string[]) => Promise<string>,
): Promise<Record<string, string>> {
  return {
    "whole/secret.yaml": await encrypt("secret.yaml", secret("whole", { password: "clear-1" }), ofData),
    "whole/config.yaml": await encrypt("config.yaml", configMap("whole", { setting: "clear-2" }), ofData),
    "whole/kustomization.yaml": JSON.stringify({
      resources: ["secret.yaml", "config.yaml"],
      patches: [{ patch: `[{"op": "add", "path": "/metadata/labels", "value": {"patched": "yes"}}]`, target: {} }],
    }),
    "marked/secret.yaml": JSON.stringify({
      apiVersion: "v1",
      kind: "Secret",
      metadata: { name: "marked" },
      data: {
        token: base64(await encrypt("token", "clear-3")),
        "config.json": base64(await encrypt("config.json", '{"a": "clear-4"}')),
        ".dockerconfigjson": base64(await encrypt("docker.json", '{"auths": {}}')),
        "values.yaml": base64(await encrypt("values.yaml", "a: clear-5\n")),
        "app.env": base64(await encrypt("app.env", "A=clear-6\n")),
        plain: base64("as it is"),
      },
    }),
    "sources/kustomization.yaml": JSON.stringify({
      resources: ["config.yaml"],
      components: ["../component"],
      generatorOptions: { disableNameSuffixHash: true },
      secretGenerator: [{ name: "generated", files: ["token.encrypted", "app.ini"], envs: ["app.env"] }],
      configMapGenerator: [{ name: "public", files: ["token.encrypted.public"] }],
      patches: [{ path: "patch.yaml" }],
    }),
    "sources/config.yaml": configMap("patched", { before: "1" }),
    "sources/patch.yaml": await encrypt("patch.yaml", configMap("patched", { after: "clear-7" }), ofData),
    "sources/token.encrypted": await encrypt("token.encrypted", "clear-8"),
    "sources/token.encrypted.public": await encrypt("token", "clear-9"),
    "sources/app.ini": await encrypt("app.ini", "[main]\nA = clear-10\n"),
    "sources/app.env": await encrypt("app.env", "B=clear-11\n"),
    "component/kustomization.yaml": JSON.stringify({
      apiVersion: "kustomize.config.k8s.io/v1alpha1",
      kind: "Component",
      secretGenerator: [{ name: "of-component", files: ["key"], options: { disableNameSuffixHash: true } }],
    }),
    "component/key": await encrypt("key", "clear-12"),
    "left/secret.yaml": await encrypt(
      "secret.yaml",
      secret("left", { password: "clear-13" }, { "kustomize.toolkit.fluxcd.io/decrypt": "Disabled" }),
      ofData,
    ),
    "big/kustomization.yaml": JSON.stringify({ secretGenerator: [{ name: "big", files: ["big"] }] }),
    "big/big": `${await encrypt("big", "clear-14")}${" ".repeat(6 * 1024 * 1024)}`,
    "two/kustomization.yaml": JSON.stringify({ resources: ["both"] }),
    "two/both/kustomization.yaml": "{}",
    "two/both/kustomization.yml": "{}",
    "variables/secret.yaml": await encrypt("secret.yaml", secret("variables", { url: `\${scheme}://x` }), ofData),
  };
}
