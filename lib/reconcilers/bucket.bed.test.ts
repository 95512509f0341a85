import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { CreateBucketCommand, PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { archivedFiles } from "../../test/bed/archived-files.ts";
import { bedPart, uniqueName } from "../../test/bed/bed.ts";
import { clientConfig } from "../../test/bed/localstack/deploy.ts";
import { type S3Front, startS3Front } from "../../test/bed/localstack/s3-front.ts";
import { startHttpProxy } from "../../test/bed/proxy.ts";
import { startStoreServer } from "../../test/bed/store-server.ts";
import { conditionOf, configMap, openWorkspace, type Reconciled, type Workspace } from "../../test/bed/workspace.ts";
import { bucketRevision } from "../bucket/bucket-revision.ts";
import { createCertificateAuthority, issueCertificate } from "../platform/local/certificate.ts";

const keys = { accesskey: "AKIDEXAMPLE", secretkey: "canary-4711/+" };

describe("a Bucket", () => {
  let workspace: Workspace;
  let front: S3Front;
  let s3: S3Client;
  let artifacts: string;

  beforeAll(async () => {
    const aws = await bedPart("localstack");
    s3 = new S3Client(clientConfig(aws));
    front = await startS3Front(aws, { keys: { [keys.accesskey]: keys.secretkey } });
    workspace = await openWorkspace("bucket");
    ({ artifacts } = await bedPart("sluice"));
    await secret("keys", keys);
  });
  afterAll(async () => {
    await front?.stop();
    s3?.destroy();
    await workspace?.close();
  });

  const secret = (name: string, stringData: Record<string, string>) =>
    workspace.create({ apiVersion: "v1", kind: "Secret", metadata: { name }, stringData });
  const fill = async (objects: Record<string, string>): Promise<string> => {
    const bucket = uniqueName("bucket");
    await s3.send(new CreateBucketCommand({ Bucket: bucket }));
    for (const [key, body] of Object.entries(objects)) await put(bucket, key, body);
    return bucket;
  };
  const put = async (bucket: string, key: string, body: string) => {
    await s3.send(new PutObjectCommand({ Bucket: bucket, Key: key, Body: Buffer.from(body) }));
  };
  const create = (name: string, bucketName: string, spec: Record<string, unknown> = {}) =>
    workspace.create({
      apiVersion: "source.toolkit.fluxcd.io/v1",
      kind: "Bucket",
      metadata: { name },
      spec: {
        bucketName,
        endpoint: front.endpoint,
        insecure: true,
        interval: "1h",
        secretRef: { name: "keys" },
        ...spec,
      },
    });
  const ready = (name: string) => workspace.untilReady("Bucket", name);
  const until = (name: string, wanted: (object: Reconciled) => boolean) => workspace.until("Bucket", name, wanted);
  const handled = async (name: string) => {
    const value = await workspace.reconcile("Bucket", name);
    return until(name, ({ status }) => status?.lastHandledReconcileAt === value);
  };
  const failed = async (name: string, reason: string, message: string) => {
    const { status } = await until(
      name,
      (object) => conditionOf(object.status, "FetchFailed")?.message.includes(message) === true,
    );
    expect(conditionOf(status, "FetchFailed")).toMatchObject({ status: "True", reason });
    expect(JSON.stringify(status)).not.toContain("canary");
    return status;
  };
  const files = async ({ status }: Reconciled) =>
    archivedFiles(await readFile(join(artifacts, "bed", status?.artifact?.path ?? "")));
  const seen = (bucket: string) => front.requests.filter((line) => line.includes(`/${bucket}`));
  const observedIgnore = ({ status }: Reconciled) =>
    (status as { observedIgnore?: string } | undefined)?.observedIgnore;

  it("BKT-001, BKT-003, BKT-004, BKT-009, BKT-010, BKT-012, ART-002, ART-017, ART-018, ART-022, IGN-011: stores what there is, and reads no more than what is new", async () => {
    const bucket = await fill({ "app.yaml": "a", "logo.png": "p", ".git/config": "g", "b.txt": "b" });
    await create("life", bucket, { ignore: "*.txt" });
    const first = await ready("life");
    const md5 = { "app.yaml": "0cc175b9c0f1b6a831c399e269772661", "logo.png": "83878c91171338902e0fe0fb97a8c47a" };
    const etags = new Map([...Object.entries(md5), [".git/config", "b2f5ff47436671b6e533d8dc3614845d"] as const]);
    const revision = await bucketRevision(etags);
    const hex = revision.slice(7);
    expect(first.status?.artifact).toMatchObject({
      revision,
      path: `bucket/${workspace.namespace}/life/${hex}.tar.gz`,
    });
    expect((first.status as { url?: string }).url).toMatch(/\/life\/latest\.tar\.gz$/);
    expect(conditionOf(first.status, "ArtifactInStorage")).toMatchObject({
      reason: "Succeeded",
      message: `stored artifact: revision '${revision}'`,
    });
    expect(Object.keys(await files(first)).sort()).toEqual([".git", ".git/config", "app.yaml", "logo.png"]);
    expect(observedIgnore(first)).toBe("*.txt");

    // A pattern that selects the same changes nothing.
    await workspace.patch("Bucket", "life", { spec: { ignore: "*.txt\n*.nothing" } });
    await ready("life");
    front.requests.length = 0;
    const same = await handled("life");
    expect(same.status?.artifact).toEqual(first.status?.artifact);
    expect(observedIgnore(same)).toBe("*.txt");
    expect(seen(bucket).map((line) => line.replace(/\?.*/, "?"))).toEqual([
      `HEAD /${bucket}/`,
      `GET /${bucket}/.sourceignore`,
      `GET /${bucket}/?`,
    ]);

    front.requests.length = 0;
    await put(bucket, "app.yaml", "changed");
    await handled("life");
    const next = await until("life", ({ status }) => status?.artifact?.revision !== revision);
    expect((await files(next))["app.yaml"]).toBe("changed");
    expect(observedIgnore(next)).toBe("*.txt\n*.nothing");
    // SB-009: what has not changed is taken from the artifact before.
    expect(seen(bucket).filter((line) => line.startsWith(`GET /${bucket}/app`) || line.includes("logo"))).toEqual([
      `GET /${bucket}/app.yaml`,
    ]);
    const events = await workspace.events("Bucket", "life");
    const told = `stored artifact with 3 fetched files from '${bucket}' bucket`;
    const upToDate = `artifact up-to-date with remote revision: '${revision}'`;
    expect(events.filter(({ reason }) => reason !== "ArtifactUpToDate").map(({ message }) => message)).toEqual([
      told,
      told,
    ]);
    expect(new Set(events.filter(({ reason }) => reason === "ArtifactUpToDate").map(({ message }) => message))).toEqual(
      new Set([upToDate]),
    );
    const path = `/apis/source.toolkit.fluxcd.io/v1/namespaces/${workspace.namespace}/buckets/life`;
    await workspace.client.request({ method: "DELETE", path });
    await workspace.untilGone("Bucket", "life");
    await expect(files(next)).rejects.toThrow("ENOENT");
    await expect(readFile(join(artifacts, "bucket-index", "bed", workspace.namespace, "life"))).rejects.toThrow(
      "ENOENT",
    );
  });

  it("BKT-005, SRC-026: is a source that a Kustomization applies", async () => {
    const bucket = await fill({ "deploy/map.yaml": configMap("from-bucket", { a: "1" }) });
    await create("source", bucket, { prefix: "deploy/" });
    await workspace.kustomization("from-bucket", { path: "./deploy", sourceRef: { kind: "Bucket", name: "source" } });
    await workspace.untilReady("Kustomization", "from-bucket");
    const map = await workspace.find("ConfigMap", "from-bucket");
    expect((map as { data?: unknown } | undefined)?.data).toEqual({ a: "1" });
    await put(bucket, "deploy/map.yaml", configMap("from-bucket", { a: "2" }));
    await workspace.reconcile("Bucket", "source");
    await workspace.until(
      "ConfigMap",
      "from-bucket",
      (object) => (object as { data?: { a?: string } }).data?.a === "2",
    );
  });

  it("BKT-002, BKT-020, BKT-021, BKT-031, SEC-004, SEC-007, SEC-011, SEC-012, SRC-027: says what is wrong, without a secret, and tells of the recovery", async () => {
    const bucket = await fill({ "a.yaml": "a" });
    const { namespace } = workspace;
    await secret("half", { accesskey: "AKIDEXAMPLE" });
    await secret("wrong", { accesskey: "AKIDEXAMPLE", secretkey: "canary-4712" });
    await secret("ftp", { address: "ftp://proxy.example.com" });
    await create("missing", "no-such-bucket");
    await create("half", bucket, { secretRef: { name: "half" } });
    await create("wrong", bucket, { secretRef: { name: "wrong" } });
    await create("nobody", bucket, { secretRef: undefined });
    await create("no-secret", bucket, { secretRef: { name: "nowhere" } });
    await create("no-ca", bucket, { certSecretRef: { name: "nowhere" } });
    await create("no-proxy", bucket, { proxySecretRef: { name: "nowhere" } });
    await create("bad-proxy", bucket, { proxySecretRef: { name: "ftp" } });
    const sts = { provider: "ldap", endpoint: "https://127.0.0.1:1" };
    await create("no-sts", bucket, { secretRef: undefined, sts: { ...sts, secretRef: { name: "nowhere" } } });
    await create("no-sts-ca", bucket, { secretRef: undefined, sts: { ...sts, certSecretRef: { name: "nowhere" } } });
    await create("half-sts", bucket, { secretRef: undefined, sts: { ...sts, secretRef: { name: "half" } } });
    await create("link-local", bucket, { endpoint: "169.254.169.254" });
    await create("no-host", bucket, { endpoint: "host/path" });
    await failed("missing", "BucketOperationFailed", "bucket 'no-such-bucket' not found");
    await failed(
      "half",
      "AuthenticationFailed",
      "invalid 'half' secret data: required fields 'accesskey' and 'secretkey'",
    );
    const refused = `failed to confirm existence of '${bucket}' bucket: Access Denied.`;
    await failed("wrong", "BucketOperationFailed", refused);
    await failed("nobody", "BucketOperationFailed", refused);
    await failed("no-secret", "AuthenticationFailed", `failed to get secret '${namespace}/nowhere': `);
    await failed("no-ca", "AuthenticationFailed", `failed to get TLS config: secret '${namespace}/nowhere' not found`);
    await failed(
      "no-proxy",
      "AuthenticationFailed",
      `failed to get proxy URL: secret '${namespace}/nowhere' not found`,
    );
    await failed("bad-proxy", "AuthenticationFailed", "failed to get proxy URL: ");
    await failed("no-sts", "AuthenticationFailed", `failed to get STS secret '${namespace}/nowhere': `);
    await failed("no-sts-ca", "AuthenticationFailed", "failed to get STS TLS config: ");
    await failed(
      "half-sts",
      "AuthenticationFailed",
      "invalid 'half' secret data for 'ldap' STS provider: required fields username, password",
    );
    await failed("link-local", "BucketOperationFailed", "is not to be reached");
    await failed("no-host", "AuthenticationFailed", "Endpoint url cannot have fully qualified paths.");
    for (const provider of ["aws", "gcp", "azure"]) {
      const endpoint = provider === "azure" ? "https://account.blob.core.windows.net" : front.endpoint;
      await create(`gate-${provider}`, "bucket", { provider, endpoint, secretRef: undefined, serviceAccountName: "a" });
      const { status } = await until(
        `gate-${provider}`,
        (object) => conditionOf(object.status, "Stalled")?.status === "True",
      );
      for (const type of ["Stalled", "FetchFailed"])
        expect(conditionOf(status, type)).toMatchObject({ status: "True", reason: "FeatureGateDisabled" });
    }
    await workspace.patch("Secret", "wrong", { stringData: keys });
    await workspace.reconcile("Bucket", "wrong");
    await ready("wrong");
  });

  it("SB-002, SB-005: one listing and one download serve all objects of a bucket with the same credentials", async () => {
    const bucket = await fill({ "a.yaml": "a", "b.yaml": "b", "d.yaml": "d" });
    const names = Array.from({ length: 8 }, (_, number) => `shared-${number}`);
    for (const name of names) await create(name, bucket);
    for (const name of names) await ready(name);
    const count = (end: string) => seen(bucket).filter((line) => line.startsWith(`GET /${bucket}/${end}`)).length;
    expect([count("?list"), count("a.yaml"), count("b.yaml")]).toEqual([1, 1, 1]);
    await put(bucket, "b.yaml", "changed");
    const before = (await workspace.find("Bucket", "shared-5"))?.status?.artifact?.revision;
    await workspace.reconcile("Bucket", "shared-5");
    for (const name of names) await until(name, ({ status }) => status?.artifact?.revision !== before);
    expect([count("a.yaml"), count("b.yaml")]).toEqual([1, 2]);
    // The etags go with the artifact: whichever of them fetches next reads no more than what is new.
    await put(bucket, "c.yaml", "c");
    await workspace.reconcile("Bucket", "shared-2");
    await until("shared-2", ({ status }) => status?.artifact?.revision !== before);
    await expect.poll(() => count("c.yaml")).toBe(1);
    expect([count("a.yaml"), count("b.yaml")]).toEqual([1, 2]);
  });

  it("BKT-011: a slow store ends at the timeout", async () => {
    const bucket = await fill({ "a.yaml": "a", "slow.yaml": "s" });
    front.intercept = ({ url }) => url === `/${bucket}/slow.yaml`;
    await create("slow", bucket, { timeout: "1s" });
    await failed(
      "slow",
      "BucketOperationFailed",
      `fetch from bucket '${bucket}' failed: failed to get 'slow.yaml' object: context deadline exceeded`,
    );
    front.intercept = ({ url }) => url?.startsWith(`/${bucket}/?`) === true;
    await workspace.reconcile("Bucket", "slow");
    await failed(
      "slow",
      "BucketOperationFailed",
      `listing objects from bucket '${bucket}' failed: context deadline exceeded`,
    );
    front.intercept = () => false;
    await workspace.reconcile("Bucket", "slow");
    await ready("slow");
  });

  it("BKT-023, SEC-001, SEC-004, SEC-006: shows a certificate, trusts an authority, and goes through the object's proxy", async () => {
    const bucket = await fill({ "a.yaml": "a" });
    const authority = createCertificateAuthority("store");
    const { certificate, key } = issueCertificate(authority, { names: ["127.0.0.1"] });
    const client = issueCertificate(authority, { names: [], commonName: "client" });
    const tls = { cert: certificate, key, ca: authority.certificate };
    const mutual = await startS3Front(await bedPart("localstack"), { keys: { [keys.accesskey]: keys.secretkey }, tls });
    const proxy = await startHttpProxy({ credentials: { username: "ada", password: "canary-4713" } });
    try {
      const trust = { "ca.crt": authority.certificate };
      await secret("pair", { ...trust, "tls.crt": client.certificate, "tls.key": client.key });
      await secret("authority", trust);
      await secret("proxy", { address: proxy.address, username: "ada", password: "canary-4713" });
      await secret("wrong-proxy", { address: proxy.address, username: "ada", password: "canary-4714" });
      const secure = { endpoint: mutual.endpoint, insecure: false };
      await create("pair", bucket, { ...secure, certSecretRef: { name: "pair" } });
      await create("stranger", bucket, secure);
      await create("no-pair", bucket, { ...secure, certSecretRef: { name: "authority" } });
      await create("insecure", bucket, { certSecretRef: { name: "authority" } });
      await create("proxied", bucket, {
        ...secure,
        certSecretRef: { name: "pair" },
        proxySecretRef: { name: "proxy" },
      });
      await create("no-proxied", bucket, { ...secure, proxySecretRef: { name: "wrong-proxy" } });
      for (const name of ["pair", "insecure", "proxied"]) await ready(name);
      expect(proxy.asked).toContain(`CONNECT ${mutual.endpoint}`);
      for (const name of ["stranger", "no-pair", "no-proxied"])
        await failed(name, "BucketOperationFailed", `failed to confirm existence of '${bucket}' bucket: `);
    } finally {
      await Promise.all([mutual.stop(), proxy.stop()]);
    }
  });

  it("BKT-027, SEC-012: a signature is nowhere, even where the store repeats it", async () => {
    const store = await startStoreServer(({ url }) => ({
      status: 403,
      headers: { "x-ms-error-code": "AuthorizationFailure" },
      body: `<?xml version="1.0"?><Error><Code>AuthorizationFailure</Code><Message>refused: ${url.replaceAll("&", "&amp;")}</Message></Error>`,
    }));
    try {
      await secret("sas", { sasKey: "?sv=1&sig=canary%2B4715" });
      const endpoint = `http://${store.host}/`;
      await create("sas", "container", { provider: "azure", endpoint, secretRef: { name: "sas" } });
      const status = await failed("sas", "BucketOperationFailed", "AuthorizationFailure: 403: refused: ");
      expect(conditionOf(status, "FetchFailed")?.message).toContain("*****&restype=container");
      expect(store.seen[0]?.path).toContain("sig=canary%2B4715");
      const events = await workspace.events("Bucket", "sas");
      expect(JSON.stringify(events)).not.toContain("canary");
    } finally {
      await store.stop();
    }
  });
});
