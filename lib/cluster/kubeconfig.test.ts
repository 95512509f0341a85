import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { parseKubeconfig } from "./kubeconfig.ts";

const base64 = (text: string) => Buffer.from(text).toString("base64");

const kubeconfig = `
current-context: one
contexts:
- {name: one, context: {cluster: a, user: token}}
- {name: two, context: {cluster: b, user: certificate}}
- {name: three, context: {cluster: a, user: program}}
- {name: four, context: {cluster: c}}
- {name: five, context: {cluster: missing}}
clusters:
- {name: a, cluster: {server: "https://a:6443/", certificate-authority-data: ${base64("CA")}, insecure-skip-tls-verify: true}}
- {name: b, cluster: {server: https://b, tls-server-name: kube}}
- {name: c, cluster: {}}
users:
- {name: token, user: {token: t}}
- {name: certificate, user: {client-certificate-data: ${base64("CERT")}, client-key-data: ${base64("KEY")}}}
- {name: program, user: {exec: {command: aws}}}
`;

describe("parseKubeconfig", () => {
  it("KS-212: reads the server, its authority and the credentials of a context", () => {
    expect(parseKubeconfig(kubeconfig, {})).toEqual({ url: "https://a:6443", certificateAuthority: "CA", token: "t" });
    expect(parseKubeconfig(kubeconfig, { context: "two" })).toEqual({
      url: "https://b",
      serverName: "kube",
      clientCertificate: "CERT",
      clientKey: "KEY",
    });
  });

  it("KS-212: reads the proxy, the compression flag, and an address without a scheme as client-go does", () => {
    const text = kubeconfig
      .replace("server: https://b,", "server: 'b:6443', proxy-url: 'http://proxy:3128', disable-compression: true,")
      .replace('server: "https://a:6443/",', "server: a,");
    expect(parseKubeconfig(text, { context: "two" })).toMatchObject({
      url: "https://b:6443",
      proxy: "http://proxy:3128",
      uncompressed: true,
    });
    expect(parseKubeconfig(text, {}).url).toBe("https://a");
    const plain = kubeconfig.replace("{name: c, cluster: {}}", "{name: c, cluster: {server: c}}");
    expect(parseKubeconfig(plain, { context: "four" }).url).toBe("http://c");
  });

  it("KS-212: believes any server only where the operator allows it", () => {
    expect(parseKubeconfig(kubeconfig, {}).insecure).toBeUndefined();
    expect(parseKubeconfig(kubeconfig, { insecureTls: true }).insecure).toBe(true);
    expect(parseKubeconfig(kubeconfig, { insecureTls: true, context: "two" }).insecure).toBeUndefined();
  });

  it("KS-212: passes a program over where there are other credentials, but in the operator's own", () => {
    const text = kubeconfig.replace("{exec: {command: aws}}", "{exec: {command: aws}, token: t}");
    expect(parseKubeconfig(text, { context: "three" })).toMatchObject({ token: "t" });
    expect(() => parseKubeconfig(text, { context: "three", trusted: true })).toThrow("runs a program");
    expect(parseKubeconfig(kubeconfig, { context: "three", withoutUser: true }).url).toBe("https://a:6443");
  });

  it("says what is missing", () => {
    const parse = (context: string) => () => parseKubeconfig(kubeconfig, { context });
    expect(parse("nine")).toThrow("the kubeconfig has no context 'nine'");
    expect(parse("five")).toThrow("the kubeconfig has no cluster 'missing'");
    expect(parse("four")).toThrow("the kubeconfig's cluster 'c' has no server");
    expect(() => parseKubeconfig("", {})).toThrow("the kubeconfig has no context ''");
  });

  it("KS-212: runs nothing, and reads files only where the kubeconfig is the operator's", () => {
    expect(() => parseKubeconfig(kubeconfig, { context: "three" })).toThrow("runs a program for its credentials");
    const directory = mkdtempSync(join(tmpdir(), "kubeconfig-"));
    try {
      const file = join(directory, "token");
      writeFileSync(file, "from-file\n");
      const text = kubeconfig.replace("{token: t}", `{tokenFile: ${file}}`);
      expect(parseKubeconfig(text, {}).token).toBeUndefined();
      expect(parseKubeconfig(text, { trusted: true }).token).toBe("from-file");
    } finally {
      rmSync(directory, { recursive: true });
    }
  });
});
