import { generateKeyPairSync } from "node:crypto";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { bedPart, uniqueName } from "./bed/bed.ts";
import { type apiVersions, conditionOf, openWorkspace, type Workspace } from "./bed/workspace.ts";

/** Stands for every secret, with what other encodings change. */
const canary = `${uniqueName("c4n4ry")}+/=&x`;
const forms = [
  canary,
  encodeURIComponent(canary),
  Buffer.from(canary).toString("base64").replace(/=+$/, ""),
  Buffer.from(`bot:${canary}`).toString("base64").replace(/=+$/, ""),
];

type Kind = keyof typeof apiVersions;
type Values = Record<string, string>;

let workspace: Workspace;
let server: Server;
let host: string;
const seen: string[] = [];

/** A server that repeats all that it was asked with, in every place that words may be taken from. */
function repeat(request: IncomingMessage, response: ServerResponse): void {
  const chunks: Buffer[] = [];
  request.on("data", (chunk: Buffer) => chunks.push(chunk));
  request.once("end", () => {
    const { authorization = "", ...headers } = request.headers;
    const path = request.url ?? "";
    const shown = Buffer.from(authorization.replace(/^Basic /, ""), "base64").toString("utf8");
    const asked = `${authorization} ${shown} ${String(headers["proxy-authorization"] ?? "")} ${path} ${Buffer.concat(chunks)}`;
    const words = asked.replaceAll(/[^\x20-\x7e]/g, "");
    seen.push(words);
    if (authorization === "" && path.startsWith("/v2/"))
      return response.writeHead(401, { "www-authenticate": 'Basic realm="x"' }).end();
    response.statusCode = 403;
    response.statusMessage = words.slice(0, 500);
    if (path.startsWith("/v2/"))
      return response.end(JSON.stringify({ errors: [{ code: "DENIED", message: words, detail: { words } }] }));
    if (path.includes("/app/installations/")) return response.end(JSON.stringify({ message: words }));
    if (path.includes("info/refs")) return response.setHeader("content-type", "text/plain").end(`no: ${words}`);
    const xml = words.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
    return response.end(`<?xml version="1.0"?><Error><Code>AccessDenied</Code><Message>${xml}</Message></Error>`);
  });
}

beforeAll(async () => {
  workspace = await openWorkspace("source-secrets");
  server = createServer(repeat);
  await once(server.listen(0, "127.0.0.1"), "listening");
  const address = server.address();
  host = `127.0.0.1:${typeof address === "object" ? address?.port : 0}`;
});
afterAll(async () => {
  server?.closeAllConnections();
  server?.close();
  await workspace?.close();
});

/** An object of a kind with its Secrets, by the field that names them, and what its condition says. */
type Case = {
  kind: Kind;
  spec: Record<string, unknown>;
  secrets?: Record<string, Values>;
  type?: string;
  says: RegExp;
};

const defaults: Partial<Record<Kind, Record<string, unknown>>> = {
  GitRepository: { url: "https://git.test/app.git" },
  OCIRepository: { url: "oci://registry.test/app" },
  HelmRepository: { url: "https://charts.test" },
  Bucket: { bucketName: "bucket", endpoint: "minio.test" },
};

/** Creates the objects of all cases, and resolves with the message of each once it is not ready. */
async function tell(prefix: string, cases: readonly Case[]): Promise<void> {
  for (const [index, { kind, spec, secrets = {}, type = "Opaque" }] of cases.entries()) {
    const name = `${prefix}-${index}`;
    const named: Record<string, unknown> = {};
    for (const [field, stringData] of Object.entries(secrets)) {
      const secret = `${name}-${field.toLowerCase().replace(".", "-")}`;
      await workspace.create({ ...{ apiVersion: "v1", kind: "Secret" }, metadata: { name: secret }, type, stringData });
      named[field] = { name: secret };
    }
    const object = { apiVersion: "source.toolkit.fluxcd.io/v1", kind, metadata: { name } };
    await workspace.create({ ...object, spec: { interval: "1h", ...defaults[kind], ...spec, ...named } });
  }
  for (const [index, { kind, says }] of cases.entries()) {
    const name = `${prefix}-${index}`;
    const isFailed = ({ status }: { status?: Parameters<typeof conditionOf>[0] }) =>
      conditionOf(status, "Ready")?.status === "False";
    const object = await workspace.until(kind, name, isFailed, 60);
    expect(conditionOf(object.status, "Ready")?.message, `${kind} ${name}`).toMatch(says);
    const events = await workspace.events(kind, name);
    for (const form of forms) expect(JSON.stringify([object.status, events]), `${kind} ${name}`).not.toContain(form);
  }
  const { logFile, records } = await bedPart("sluice");
  for (const file of [logFile, records]) {
    const text = await readFile(file, "utf8");
    for (const form of forms) expect(text).not.toContain(form);
  }
}

const git = (says: RegExp, spec: Record<string, unknown>, secrets: Record<string, Values> = {}): Case => ({
  ...{ kind: "GitRepository", spec, secrets, says },
});
const ssh = { url: "ssh://git@git.test/app.git" };

describe("a Secret that is not as it has to be", () => {
  it("SEC-001, SEC-012, GIT-050, GIT-052, GIT-056, GIT-058, GIT-062, GIT-065: of a GitRepository is told without what it holds", async () => {
    const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
    const githubAppPrivateKey = privateKey.export({ type: "pkcs1", format: "pem" }).toString();
    const app = { githubAppID: "1", githubAppInstallationID: "2", githubAppPrivateKey: canary };
    await tell("git", [
      git(/'password' requires 'username' to be set/, {}, { secretRef: { password: canary } }),
      git(
        /cannot be set at the same time/,
        { url: `https://bot:${encodeURIComponent(canary)}@git.test/a` },
        { secretRef: { bearerToken: canary } },
      ),
      git(/'tls.crt' and 'tls.key' must both be set/, {}, { secretRef: { "tls.key": canary } }),
      git(/lookup git.test/, {}, { secretRef: { "ca.crt": canary } }),
      git(/certificate/, {}, { secretRef: { "tls.crt": canary, "tls.key": canary } }),
      git(/'known_hosts' is required/, ssh, { secretRef: { identity: canary } }),
      git(/knownhosts: missing host pattern/, ssh, { secretRef: { identity: canary, known_hosts: canary } }),
      git(/key|identity/i, ssh, {
        secretRef: {
          identity: `-----BEGIN OPENSSH PRIVATE KEY-----\n${canary}\n-----END OPENSSH PRIVATE KEY-----\n`,
          known_hosts: "git.test ssh-ed25519 AAAA",
          password: canary,
        },
      }),
      git(/could not parse private key/, { provider: "github" }, { secretRef: app }),
      git(/malformed basic auth/, { provider: "github" }, { secretRef: { ...app, username: "bot" } }),
      git(/provider is not set to github/, {}, { secretRef: app }),
      git(
        /invalid API URL/,
        { provider: "github" },
        {
          secretRef: {
            ...app,
            githubAppPrivateKey,
            githubAppBaseURL: `https://bot:${encodeURIComponent(canary)}@x.test`,
          },
        },
      ),
      git(/invalid AWS CodeCommit Git URL/, { provider: "aws" }),
      git(/failed to parse url/, { url: `https://bot:${encodeURIComponent(canary)}@[x/a` }),
      git(/failed to get secret|not found/, { secretRef: { name: "none" } }),
    ]);
  });

  it("SEC-004, SEC-012: of a proxy is told without what it holds, by each kind", async () => {
    const wrong: [values: Values, says: RegExp][] = [
      [{ password: canary }, /key 'address' not found/],
      [{ address: "", password: canary }, /proxy address is empty/],
      [{ address: `ftp://bot:${encodeURIComponent(canary)}@x.test` }, /supported schemes/],
      [{ address: `http://bot:${canary}@[x` }, /failed to parse proxy address/],
      [{ address: `http://${canary.repeat(100)}` }, /exceeds maximum length/],
      [{ address: `bot:${canary}@x.test` }, /proxy/],
    ];
    const kinds = ["GitRepository", "OCIRepository", "Bucket"] as const;
    await tell(
      "proxy",
      wrong.flatMap(([values, says]) =>
        kinds.map((kind): Case => ({ kind, spec: {}, secrets: { proxySecretRef: values }, says })),
      ),
    );
  });

  it("SEC-001, SEC-007, SEC-012, OCI-001, OCI-018, HR-008, HR-011, HR-015, BKT-020: of other kinds is told without what it holds", async () => {
    const bad: Values[] = [{ "tls.crt": canary }, { "tls.crt": canary, "tls.key": canary }, { "ca.crt": canary }];
    const certificates = (["OCIRepository", "HelmRepository", "Bucket"] as const).flatMap((kind) =>
      bad.map((values): Case => ({ kind, spec: {}, secrets: { certSecretRef: values }, says: /certificate|tls|CA/i })),
    );
    const docker = (auth: unknown): Values => ({
      ".dockerconfigjson": JSON.stringify({ auths: { "registry.test": auth } }),
    });
    const type = "kubernetes.io/dockerconfigjson";
    const encoded = encodeURIComponent(canary);
    const azure = { provider: "azure", endpoint: "https://a.blob.core.windows.net" };
    await tell("other", [
      ...certificates,
      {
        kind: "OCIRepository",
        spec: {},
        secrets: { secretRef: docker({ auth: canary }) },
        type,
        says: /illegal base64 data/,
      },
      { kind: "OCIRepository", spec: {}, secrets: { secretRef: docker(canary) }, type, says: /not an object/ },
      {
        kind: "OCIRepository",
        spec: { url: `oci://bot:${encoded}@registry.test/app` },
        says: /URL validation failed for 'oci:\/\/registry.test\/app'/,
      },
      { kind: "OCIRepository", spec: { url: `oci://bot:${canary}@registry.test/app` }, says: /URL validation failed/ },
      { kind: "HelmRepository", spec: {}, secrets: { secretRef: { password: canary } }, says: /malformed basic auth/ },
      {
        kind: "HelmRepository",
        spec: { url: `https://bot:${encoded}@charts.test:x/` },
        says: /invalid Helm repository URL/,
      },
      {
        kind: "Bucket",
        spec: {},
        secrets: { secretRef: { secretkey: canary } },
        says: /required fields 'accesskey' and 'secretkey'/,
      },
      { kind: "Bucket", spec: azure, secrets: { secretRef: { clientSecret: canary } }, says: /requires a 'clientId'/ },
      {
        kind: "Bucket",
        spec: azure,
        secrets: { secretRef: { accountKey: `${canary}!` } },
        says: /illegal base64 data/,
      },
      {
        kind: "Bucket",
        spec: { provider: "gcp" },
        secrets: { secretRef: { serviceaccount: `{"private_key":"${canary}"}` } },
        says: /failed to create Google credentials/,
      },
      {
        kind: "Bucket",
        spec: { provider: "gcp" },
        secrets: { secretRef: { serviceaccount: canary } },
        says: /failed to create Google credentials/,
      },
      { kind: "Bucket", spec: { endpoint: `bot:${canary}@minio.test` }, says: /does not follow ip address/ },
      { kind: "Bucket", spec: { provider: "aws", serviceAccountName: "x" }, says: /feature gate/ },
    ]);
  });
});

describe("a server that repeats what it is shown", () => {
  it("SEC-012, GIT-017, OCI-023, HR-006, BKT-026, BKT-027, GIT-063: has none of it told", async () => {
    const basic = { username: "bot", password: canary };
    const url = `http://${host}/app.git`;
    const auths = JSON.stringify({ auths: { [host]: basic } });
    const docker = { secrets: { secretRef: { ".dockerconfigjson": auths } }, type: "kubernetes.io/dockerconfigjson" };
    const encoded = encodeURIComponent(canary);
    const store = { endpoint: host, insecure: true };
    const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
    const app = {
      ...{ githubAppID: "1", githubAppInstallationID: "2", githubAppBaseURL: `http://${host}/api/v3/` },
      githubAppPrivateKey: privateKey.export({ type: "pkcs1", format: "pem" }).toString(),
    };
    await workspace.create({
      ...{ apiVersion: "v1", kind: "Secret", metadata: { name: "user" } },
      stringData: { username: "bot", password: canary },
    });
    await tell("echo", [
      git(/authorization failed/, { url }, { secretRef: basic }),
      git(/authorization failed/, { url }, { secretRef: { bearerToken: canary } }),
      git(/authorization failed/, { url: `http://bot:${encoded}@${host}/app.git` }),
      git(/: 403 Bearer \*{5} /, { url, provider: "github" }, { secretRef: app }),
      { kind: "OCIRepository", spec: { url: `oci://${host}/app`, insecure: true }, ...docker, says: /DENIED/ },
      { kind: "HelmRepository", spec: { url: `http://${host}/charts` }, secrets: { secretRef: basic }, says: /403/ },
      { kind: "HelmRepository", spec: { url: `http://bot:${encoded}@${host}/charts?token=${encoded}` }, says: /403/ },
      {
        kind: "Bucket",
        spec: { ...store, sts: { provider: "ldap", endpoint: `http://${host}`, secretRef: { name: "user" } } },
        says: /./,
      },
      {
        kind: "Bucket",
        spec: { provider: "azure", endpoint: `http://${host}` },
        secrets: { secretRef: { sasKey: `?sv=1&sig=${encoded}` } },
        says: /403/,
      },
    ]);
    expect(seen.filter((words) => forms.some((form) => words.includes(form))).length).toBeGreaterThan(6);
  });
});
