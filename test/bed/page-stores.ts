import { CreateBucketCommand, PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { archiveTree } from "../../lib/platform/archive/archive-tree.ts";
import { createCertificateAuthority, issueCertificate } from "../../lib/platform/local/certificate.ts";
import { bedPart } from "./bed.ts";
import { basicHeader } from "./chart-repository.ts";
import { openCosign } from "./cosign/cosign.ts";
import { clientConfig } from "./localstack/deploy.ts";
import { startS3Front } from "./localstack/s3-front.ts";
import type { ShownServers } from "./page-servers.ts";
import { startRegistryFront } from "./registry/front.ts";
import { contentType, pushArtifact } from "./registry/push.ts";

/** The names of a registry and of an object store that pages speak of. */
export const shownRegistry = "registry.example.com";
export const shownStore = "s3.example.com";

/**
 * A registry over HTTPS: `team/manifests` for `bot` with the password `s3cret`, and `team/signed` for everybody, which has a signature
 * by the key `cosign.pub` where the page speaks of it. The authority is `registry.crt`.
 */
export async function registryStore(isSigned: boolean): Promise<ShownServers> {
  const registry = await bedPart("registry");
  const authority = createCertificateAuthority(shownRegistry);
  const tls = issueCertificate(authority, { names: ["127.0.0.1"] });
  const front = await startRegistryFront(registry.url, { tls });
  const authorization = basicHeader({ username: "bot", password: "s3cret" });
  front.intercept = (request, response) => {
    const isPrivate = request.url?.startsWith("/v2/team/manifests/") === true;
    if (!isPrivate || request.headers.authorization === authorization) return false;
    response.writeHead(401, { "www-authenticate": 'Basic realm="registry"' }).end();
    return true;
  };
  const push = async (repository: string, version: string) => {
    const text = JSON.stringify({ apiVersion: "v1", kind: "ConfigMap", metadata: { name: "web" }, data: { version } });
    const entries = [{ path: "web.yaml", type: "file" as const, content: () => Buffer.from(text) }];
    const { spool } = await archiveTree(entries, { signal: AbortSignal.timeout(10_000) });
    const layers = [{ mediaType: contentType, content: spool.read(0, spool.size) }];
    spool.close();
    return pushArtifact({ url: registry.url, repository }, version, { layers });
  };
  const files: Record<string, string> = { "registry.crt": authority.certificate };
  if (isSigned) {
    const { digest } = await push("team/signed", "v1.0.0");
    const cosign = await openCosign();
    files["cosign.pub"] = (await cosign.key("cosign")).toString("utf8");
    await cosign.sign("cosign", "bundle", `${registry.address}/team/signed@${digest}`);
    await cosign.close();
  } else for (const version of ["v1.0.0", "v1.1.0"]) await push("team/manifests", version);
  return { names: [[shownRegistry, front.address]], files, stop: () => front.stop() };
}

/** An object store over HTTPS with the bucket `example-manifests`, for one pair of keys. The authority is `s3.crt`. */
export async function objectStore(): Promise<ShownServers> {
  const aws = await bedPart("localstack");
  const authority = createCertificateAuthority(shownStore);
  const { certificate: cert, key } = issueCertificate(authority, { names: ["127.0.0.1"] });
  const front = await startS3Front(aws, { keys: { AKIDEXAMPLE: "s3cret" }, tls: { cert, key } });
  const s3 = new S3Client(clientConfig(aws));
  const bucket = "example-manifests";
  await s3.send(new CreateBucketCommand({ Bucket: bucket }));
  for (const name of ["web.yaml", "notes.md"]) {
    const object = { Bucket: bucket, Key: `clusters/prod/${name}`, Body: Buffer.from("{}\n") };
    await s3.send(new PutObjectCommand(object));
  }
  s3.destroy();
  return {
    names: [[shownStore, front.endpoint]],
    files: { "s3.crt": authority.certificate },
    stop: () => front.stop(),
  };
}
