import { once } from "node:events";
import { createServer, type Server } from "node:http";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { bedPart, uniqueName } from "../../../test/bed/bed.ts";
import { connectTo } from "../../../test/bed/installed.ts";
import { sopsPrograms } from "../../../test/bed/sops/sops.ts";
import { type AgePair, openSopsWorkshop, type SopsWorkshop } from "../../../test/bed/sops/workshop.ts";
import type { Kustomization, KustomizationSpec } from "../../api/kustomization.ts";
import type { ClusterClient } from "../../cluster/client.ts";
import { createObject } from "../../cluster/objects.ts";
import { parseSettings } from "../../engine/settings.ts";
import { createLocalLogger } from "../../platform/local/log.ts";
import { type CloudKeyContext, openCloudKeys } from "./cloud-keys.ts";
import { readDecryption } from "./decryption.ts";
import { Halt } from "./halt.ts";

let client: ClusterClient;
let namespace: string;
let runtimeNamespace: string;
let workshop: SopsWorkshop;
let [own, fallback]: AgePair[] = [];
let aws: Server;
let endpoint: string;
/** What the clouds were asked for: forms of STS, and who signed for KMS. */
let asked: { action: string; token: string; accessKey: string }[] = [];

const log = createLocalLogger({ format: "json", write: () => undefined });
const role = "arn:aws:iam::000000000000:role/sops";
const kmsKey = {
  kind: "kms",
  arn: "arn:aws:kms:eu-central-1:000000000000:key/1",
  role: "",
  context: new Map<string, string>(),
  awsProfile: "",
  enc: Buffer.from("cipher").toString("base64"),
} as const;

beforeAll(async () => {
  client = connectTo(await bedPart("cluster"));
  workshop = await openSopsWorkshop(await sopsPrograms(() => undefined));
  [own, fallback] = [await workshop.ageKey(), await workshop.ageKey()];
  [namespace, runtimeNamespace] = [uniqueName("decryption"), uniqueName("runtime")];
  for (const name of [namespace, runtimeNamespace])
    await createObject(client, { apiVersion: "v1", kind: "Namespace", metadata: { name } });
  await secret(namespace, "own", { "a.agekey": own?.identity ?? "" });
  await secret(runtimeNamespace, "fallback", { "a.agekey": fallback?.identity ?? "", "sops.aws-kms": "- no: {yaml" });
  await secret(namespace, "bad", { "sops.aws-kms": "- s3cret: {" });
  for (const name of ["named", "usual"]) {
    const metadata = { name, namespace, annotations: { "eks.amazonaws.com/role-arn": role } };
    await createObject(client, { apiVersion: "v1", kind: "ServiceAccount", metadata });
  }
  aws = createServer(async (request, response) => {
    const chunks: Uint8Array[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const body = Buffer.concat(chunks).toString();
    const form = new URLSearchParams(body);
    const [, accessKey = ""] = /Credential=([^/]+)\//.exec(request.headers.authorization ?? "") ?? [];
    const action = form.get("Action") ?? String(request.headers["x-amz-target"]);
    asked.push({ action, token: form.get("WebIdentityToken") ?? "", accessKey });
    const Credentials = { AccessKeyId: "of-role", SecretAccessKey: "x", SessionToken: "x", Expiration: 4e9 };
    const result = { AssumeRoleWithWebIdentityResponse: { AssumeRoleWithWebIdentityResult: { Credentials } } };
    response.setHeader("content-type", "application/json");
    response.end(
      JSON.stringify(form.has("Action") ? result : { Plaintext: Buffer.from("data key").toString("base64") }),
    );
  });
  aws.listen(0, "127.0.0.1");
  await once(aws, "listening");
  const address = aws.address();
  endpoint = `http://127.0.0.1:${typeof address === "object" ? address?.port : 0}`;
}, 600_000);

afterAll(async () => {
  aws?.closeAllConnections();
  aws?.close();
  await workshop?.close();
});

async function secret(where: string, name: string, stringData: Record<string, string>): Promise<void> {
  await createObject(client, { apiVersion: "v1", kind: "Secret", metadata: { name, namespace: where }, stringData });
}

function object(decryption: Partial<KustomizationSpec["decryption"]>): Kustomization {
  const sourceRef = { kind: "GitRepository", name: "x" } as const;
  return {
    apiVersion: "kustomize.toolkit.fluxcd.io/v1",
    kind: "Kustomization",
    metadata: { name: "app", namespace },
    spec: { interval: "1h", prune: true, sourceRef, decryption: { provider: "sops", ...decryption } },
  };
}

function context(cluster: ClusterClient, ...args: string[]): CloudKeyContext {
  return {
    cluster,
    settings: parseSettings(args, runtimeNamespace, log),
    signal: AbortSignal.timeout(60_000),
    clouds: { endpoints: { sts: endpoint, kms: endpoint } },
    awsCredentials: async () => ({ accessKeyId: "of-function", secretAccessKey: "x" }),
  };
}

const clear = async (
  of: AgePair | undefined,
  decryption: Partial<KustomizationSpec["decryption"]>,
  ...args: string[]
) => {
  const content = await workshop.encrypt("clear", "binary", ["--age", of?.recipient ?? ""]);
  const decryptor = await (await readDecryption(object(decryption), context(client, ...args)))?.open();
  expect(decryptor?.isEncrypted(content, "binary")).toBe(true);
  return Buffer.from((await decryptor?.decryptFile(content, "binary", "binary")) ?? []).toString();
};

const haltOf = async (decryption: Partial<KustomizationSpec["decryption"]>, cluster = client) => {
  const read = await readDecryption(object(decryption), context(cluster));
  const error = await read?.open().catch((thrown: unknown) => thrown);
  return error instanceof Halt ? [error.reason, error.message] : error;
};

describe("the keys of a Kustomization", () => {
  it("KS-099: the operator's Secret is used only where the Kustomization names none", async () => {
    const flag = "--sops-age-secret=fallback";
    expect(await clear(fallback, {}, flag)).toBe("clear");
    expect(await clear(own, { secretRef: { name: "own" } }, flag)).toBe("clear");
    await expect(clear(fallback, { secretRef: { name: "own" } }, flag)).rejects.toThrow("cannot get sops data key");
    await expect(clear(own, {}, flag)).rejects.toThrow("cannot get sops data key");
    await expect(clear(fallback, {})).rejects.toThrow("cannot get sops data key");
  });

  it("KS-098: a Secret that is missing, forbidden, or holds a bad entry", async () => {
    const missing = { secretRef: { name: "missing" } };
    expect(await haltOf(missing)).toEqual(["BuildFailed", 'secrets "missing" not found']);
    expect(await haltOf({ secretRef: { name: "own" } }, client.as("nobody"))).toEqual([
      "BuildFailed",
      expect.stringMatching(`^cannot get sops decryption Secret '${namespace}/own': secrets "own" is forbidden`),
    ]);
    const bad = await haltOf({ secretRef: { name: "bad" } });
    expect(bad).toEqual([
      "BuildFailed",
      expect.stringMatching(`^failed to import 'sops.aws-kms' data from sops decryption Secret '${namespace}/bad': `),
    ]);
    expect(JSON.stringify(bad)).not.toContain("s3cret");
  });

  it("reads its Secret once, and says whether it has changed without a key", async () => {
    const paths: string[] = [];
    const cluster: ClusterClient = {
      request: (request) => {
        paths.push(request.path);
        return client.request(request);
      },
      as: (user) => client.as(user),
    };
    const versions = async (name: string) =>
      (await readDecryption(object({ secretRef: { name } }), context(cluster)))?.versions ?? "";
    const [first, later] = [await versions("own"), await versions("later")];
    expect(paths).toHaveLength(2);
    expect(await versions("own")).toBe(first);
    expect(first).not.toContain("AGE-SECRET-KEY");
    await secret(namespace, "later", {});
    expect(await versions("later")).not.toBe(later);
    const { decryption: _none, ...spec } = object({}).spec;
    expect(await readDecryption({ ...object({}), spec }, context(cluster))).toBeUndefined();
  });

  it("KS-101, KS-103: AWS is asked as the named ServiceAccount, else as the default one, else as the function", async () => {
    const gate = "--feature-gates=ObjectLevelWorkloadIdentity=true";
    const byDefault = "--default-decryption-service-account=usual";
    const decrypt = async (account: string | undefined, ...args: string[]) => {
      asked = [];
      const decryption = account === undefined ? {} : { serviceAccountName: account };
      const { kms } = openCloudKeys(object(decryption), new Map(), context(client, ...args));
      expect(Buffer.from((await kms?.(kmsKey)) ?? []).toString()).toBe("data key");
      return asked.map(({ action, token, accessKey }) => [action, accessKey || claimsOf(token)]);
    };
    const target = "TrentService.Decrypt";
    const as = (name: string) => [
      ["AssumeRoleWithWebIdentity", { aud: ["sts.amazonaws.com"], sub: `system:serviceaccount:${namespace}:${name}` }],
      [target, "of-role"],
    ];
    expect(await decrypt("named", gate, byDefault)).toEqual(as("named"));
    expect(await decrypt(undefined, gate, byDefault)).toEqual(as("usual"));
    expect(await decrypt(undefined)).toEqual([[target, "of-function"]]);
    await expect(decrypt("named")).rejects.toThrow("ObjectLevelWorkloadIdentity feature gate is not enabled");
  });

  it("KS-096, KS-101: credentials in the Secret are used before any identity, and no ServiceAccount is read", async () => {
    asked = [];
    const credentials = "aws_access_key_id: of-secret\naws_secret_access_key: x\n";
    const entries = new Map([["sops.aws-kms", Buffer.from(credentials)]]);
    const { kms } = openCloudKeys(object({ serviceAccountName: "none" }), entries, context(client));
    await kms?.(kmsKey);
    expect(asked).toMatchObject([{ accessKey: "of-secret" }]);
  });
});

/** Audience and subject of a ServiceAccount's token. */
function claimsOf(token: string): { aud: unknown; sub: unknown } {
  const { aud, sub } = JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString());
  return { aud, sub };
}
