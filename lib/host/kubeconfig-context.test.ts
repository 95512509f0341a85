import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { parseKubeconfig } from "../cluster/kubeconfig.ts";
import { parseYamlDocuments } from "../text/yaml.ts";
import { openKubeconfigContext, readKubeconfigContext } from "./kubeconfig-context.ts";

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
afterEach(async () => {
  vi.useRealTimers();
  await rm(directory, { recursive: true, force: true });
});

describe("a context of a kubeconfig file", () => {
  it("is the only one that is left, with its paths meant from the file's directory", async () => {
    const text = await readKubeconfigContext(path, "staging");
    expect(text).not.toContain("production");
    expect(parseYamlDocuments(text)[0]).toMatchObject({
      contexts: [{ context: { namespace: "apps" } }],
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

  it("is read again when the file was rotated", async () => {
    vi.useFakeTimers({ toFake: ["Date"] });
    const read = await openKubeconfigContext(path, "staging");
    await writeFile(path, config.replace("staging-token", "rotated-token"));
    expect(parseKubeconfig(await read(), {}).token).toBe("staging-token");
    vi.advanceTimersByTime(6_000);
    expect(parseKubeconfig(await read(), {}).token).toBe("rotated-token");
  });
});

describe("the credential plug-in of a context", () => {
  const withPlugin = (exec: string) =>
    writeFile(
      path,
      config.replace("{name: tester, user: {token: staging-token}}", `{name: tester, user: {exec: ${exec}}}`),
    );
  const script = (text: string) => writeFile(join(directory, "plugin"), `#!/bin/sh\n${text}\n`, { mode: 0o755 });

  it("gives a token, with the operator's environment, the kubeconfig's variables and the cluster, until it expires", async () => {
    vi.useFakeTimers({ toFake: ["Date"] });
    const expires = new Date(Date.now() + 600_000).toISOString();
    await script(
      `echo run >> "${directory}/runs"
       case "$KUBERNETES_EXEC_INFO" in *'"server":"https://staging:6443"'*) [ -n "$PATH" ] || exit 3 ;; *) exit 4 ;; esac
       echo "{\\"status\\": {\\"token\\": \\"$1-$REGION\\", \\"expirationTimestamp\\": \\"${expires}\\"}}"`,
    );
    await withPlugin(
      "{apiVersion: client.authentication.k8s.io/v1beta1, command: ./plugin, args: [given], env: [{name: REGION, value: eu}], provideClusterInfo: true}",
    );
    const read = await openKubeconfigContext(path, "staging");
    expect(parseKubeconfig(await read(), {}).token).toBe("given-eu");
    vi.advanceTimersByTime(500_000);
    await read();
    expect((await readFile(join(directory, "runs"), "utf8")).split("run")).toHaveLength(2);
    vi.advanceTimersByTime(60_000);
    await read();
    expect((await readFile(join(directory, "runs"), "utf8")).split("run")).toHaveLength(3);
  });

  it("gives a client certificate", async () => {
    await script(`echo '{"status": {"clientCertificateData": "PEM", "clientKeyData": "KEY"}}'`);
    await withPlugin("{command: ./plugin}");
    expect(parseKubeconfig(await readKubeconfigContext(path, "staging"), {})).toMatchObject({
      clientCertificate: "PEM",
      clientKey: "KEY",
    });
  });

  it("fails in a sentence, with what it complained of and never with what it printed", async () => {
    await withPlugin("{command: no-such-program-anywhere}");
    const opening = () => openKubeconfigContext(path, "staging");
    await expect(opening()).rejects.toThrow("plug-in no-such-program-anywhere failed: there is no such program");
    await withPlugin("{command: ./plugin}");
    await script("echo secret-token; echo 'not logged in' >&2; exit 1");
    await expect(opening()).rejects.toThrow(/^(?!.*secret-token).*plug-in \.\/plugin failed: not logged in$/s);
    await script("echo secret-token");
    await expect(opening()).rejects.toThrow(/^(?!.*secret-token).* gave neither a token nor a client certificate$/s);
  });
});
