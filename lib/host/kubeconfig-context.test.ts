import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { parseKubeconfig } from "../cluster/kubeconfig.ts";
import { parseYamlDocuments } from "../text/yaml.ts";
import { readKubeconfigContext } from "./kubeconfig-context.ts";

const config = `
apiVersion: v1
kind: Config
current-context: production
contexts:
- {name: production, context: {cluster: production, user: admin}}
- {name: staging, context: {cluster: staging, user: tester, namespace: apps}}
clusters:
- {name: production, cluster: {server: "https://production:6443"}}
- {name: staging, cluster: {server: "https://staging:6443", certificate-authority: certs/ca.crt}}
users:
- {name: admin, user: {token: production-token}}
- {name: tester, user: {token: staging-token}}
`;

let directory: string;
let path: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "sluice-kubeconfig-"));
  path = join(directory, "config");
  await writeFile(path, config);
});
afterEach(() => rm(directory, { recursive: true, force: true }));

describe("a context of a kubeconfig file", () => {
  it("is the only one that is left, with its paths meant from the file's directory", async () => {
    const text = await readKubeconfigContext(path, "staging");
    expect(text).not.toContain("production");
    expect(parseYamlDocuments(text)[0]).toMatchObject({
      "current-context": "staging",
      clusters: [{ cluster: { "certificate-authority": join(directory, "certs/ca.crt") } }],
    });
    expect(parseKubeconfig(text, {})).toEqual({ url: "https://staging:6443", token: "staging-token" });
  });

  it("is never guessed: without a name, or with an unknown one, the contexts are listed", async () => {
    await expect(readKubeconfigContext(path, undefined)).rejects.toThrow(
      "--kubeconfig needs --context NAME, so that no cluster is touched by mistake: it has 'production', 'staging'",
    );
    await expect(readKubeconfigContext(path, "dev")).rejects.toThrow(
      "has no context 'dev': it has 'production', 'staging'",
    );
  });

  it("is told in a sentence where the file is missing, broken or empty, without what it holds", async () => {
    await expect(readKubeconfigContext(join(directory, "none"), "a")).rejects.toThrow("cannot be read: ENOENT");
    await writeFile(path, "users: [{token: secret-token}\n\t");
    await expect(readKubeconfigContext(path, "a")).rejects.toThrow(/^(?!.*secret-token).*is not YAML$/s);
    await writeFile(path, "");
    await expect(readKubeconfigContext(path, "a")).rejects.toThrow("has no context 'a': it has none");
  });
});
