import { execFile } from "node:child_process";
import { createDecipheriv } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { bedPart, uniqueName } from "../../../test/bed/bed.ts";
import type { BedAws } from "../../../test/bed/parts.ts";
import { sopsPrograms } from "../../../test/bed/sops/sops.ts";
import type { CloudIdentity } from "../../identity/identity.ts";
import { serviceExchange } from "../../platform/exchange.ts";
import { isFields } from "../../text/fields.ts";
import type { AwsKmsKey } from "../keys.ts";
import { askAws } from "./aws-request.ts";
import { cloudKeyServices } from "./cloud-keys.ts";

/** The function's own region is LocalStack's us-east-1. */
const keyRegion = "eu-central-1";
const own = { accessKeyId: "test", secretAccessKey: "test" };
const role = "arn:aws:iam::000000000000:role/sops-reader";

type Seen = { target: string; authorization: string; body: string };

let aws: BedAws;
let sops: string;
let directory: string;
let proxy: Server;
let endpoint: string;
let seen: Seen[];
let keyArn: string;

beforeAll(async () => {
  aws = await bedPart("localstack");
  sops = (await sopsPrograms(() => undefined)).sops;
  directory = await mkdtemp(join(tmpdir(), "sluice-kms-"));
  proxy = createServer(async (request, response) => {
    const chunks: Uint8Array[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const body = Buffer.concat(chunks).toString();
    const { authorization = "", "x-amz-target": target = "" } = request.headers;
    seen.push({ target: String(target), authorization, body });
    const headers = Object.entries(request.headers).map(([name, value]): [string, string] => [name, String(value)]);
    const answer = await fetch(`${aws.endpoint}${request.url}`, {
      method: "POST",
      headers: headers.filter(([name]) => !["host", "connection", "content-length"].includes(name)),
      body,
    });
    response.writeHead(answer.status, { "content-type": answer.headers.get("content-type") ?? "" });
    response.end(Buffer.from(await answer.arrayBuffer()));
  });
  proxy.listen(0, "127.0.0.1");
  await once(proxy, "listening");
  const address = proxy.address();
  endpoint = `http://127.0.0.1:${typeof address === "object" ? address?.port : 0}`;
  seen = [];
  const made = JSON.parse(await kms("CreateKey", { Description: uniqueName("sops") }));
  keyArn = made.KeyMetadata.Arn;
}, 600_000);
beforeEach(() => {
  seen = [];
});
afterAll(async () => {
  proxy?.closeAllConnections();
  proxy?.close();
  if (directory !== undefined) await rm(directory, { recursive: true, force: true });
});

async function kms(action: string, body: unknown, region = keyRegion): Promise<string> {
  const headers = { "content-type": "application/x-amz-json-1.1", "x-amz-target": `TrentService.${action}` };
  const request = { service: "kms", region, endpoint: aws.endpoint, headers, body: JSON.stringify(body) } as const;
  const answer = await askAws(request, own, serviceExchange(), AbortSignal.timeout(30_000));
  expect(answer.status, answer.body).toBe(200);
  return answer.body;
}

/** A file that the real sops encrypts: its value, and its KMS key as the metadata has it. */
async function encrypted(args: string[]): Promise<{ value: string; key: AwsKmsKey }> {
  const file = join(directory, `${uniqueName("secret")}.json`);
  await writeFile(file, JSON.stringify({ token: "open sesame" }));
  const { stdout } = await promisify(execFile)(sops, ["encrypt", ...args, file], {
    env: { ...aws.env, HOME: directory, PATH: process.env.PATH ?? "" },
  });
  const { token, sops: metadata } = JSON.parse(stdout);
  const [{ arn, role = "", context, enc }] = metadata.kms;
  const pairs = Object.entries(isFields(context) ? context : {}).map(([name, value]): [string, string] => [
    name,
    String(value),
  ]);
  return {
    value: token,
    key: { kind: "kms", arn, role, context: new Map(pairs), awsProfile: "somebody-elses", enc },
  };
}

/** AES-256-GCM as SOPS has it: the path of the value is authenticated with it. */
function opened(value: string, dataKey: Uint8Array): string {
  const [, data = "", iv = "", tag = ""] = /data:([^,]*),iv:([^,]*),tag:([^,]*),/.exec(value) ?? [];
  const cipher = createDecipheriv("aes-256-gcm", dataKey, Buffer.from(iv, "base64"));
  cipher.setAAD(Buffer.from("token:")).setAuthTag(Buffer.from(tag, "base64"));
  return Buffer.concat([cipher.update(Buffer.from(data, "base64")), cipher.final()]).toString();
}

const ownIdentity: CloudIdentity = { type: "own", ownAws: async () => own };
const services = (entries: Record<string, string> = {}, identity: CloudIdentity = ownIdentity) => {
  const bytes = new Map(Object.entries(entries).map(([name, text]) => [name, Buffer.from(text)]));
  const options = { identity, session: "apps.podinfo", endpoints: { kms: endpoint, sts: endpoint } };
  const { kms: service } = cloudKeyServices(bytes, options);
  if (service === undefined) throw new Error("there is no service for AWS KMS");
  return service;
};
const regionsAsked = () => seen.map(({ authorization }) => authorization.split("/")[2]);

describe("AWS KMS", () => {
  it("KS-100: a key in another region than the function's decrypts, with the encryption context of the metadata", async () => {
    const { value, key } = await encrypted(["--kms", keyArn, "--encryption-context", "app:podinfo,stage:prod"]);
    expect(key.context).toEqual(
      new Map([
        ["app", "podinfo"],
        ["stage", "prod"],
      ]),
    );
    expect(opened(value, await services()(key))).toBe("open sesame");
    expect(regionsAsked()).toEqual([keyRegion]);
    expect(JSON.parse(seen[0]?.body ?? "")).toMatchObject({ EncryptionContext: { app: "podinfo", stage: "prod" } });

    const other = new Map([["app", "another"]]);
    await expect(services()({ ...key, context: other })).rejects.toThrow(
      "failed to decrypt sops data key with AWS KMS: InvalidCiphertextException",
    );
    await expect(services()({ ...key, arn: key.arn.replace(keyRegion, "us-west-2") })).rejects.toThrow(
      "failed to decrypt sops data key with AWS KMS: NotFoundException",
    );
  });

  it("KS-100: the role of the metadata is assumed in the key's region, and decrypts", async () => {
    const { value, key } = await encrypted(["--kms", `${keyArn}+${role}`]);
    expect(key.role).toBe(role);
    const service = services();
    expect(opened(value, await service(key))).toBe("open sesame");
    expect(opened(value, await service(key))).toBe("open sesame");
    expect(Object.fromEntries(new URLSearchParams(seen[0]?.body))).toEqual({
      Action: "AssumeRole",
      Version: "2011-06-15",
      RoleArn: role,
      RoleSessionName: "sops@apps.podinfo",
    });
    expect(seen.map(({ target }) => target)).toEqual(["", "TrentService.Decrypt", "TrentService.Decrypt"]);
    expect(new Set(regionsAsked())).toEqual(new Set([keyRegion]));
    expect(seen[1]?.authorization).not.toContain("Credential=test/");
  });

  it("KS-096, KS-101: static credentials of the Secret are used instead of an identity", async () => {
    const { value, key } = await encrypted(["--kms", keyArn]);
    const entries = {
      "sops.aws-kms": "aws_access_key_id: test2\naws_secret_access_key: word\naws_session_token: session\n",
      "sops.something-else": "ignored",
    };
    const nobody: CloudIdentity = { type: "own", ownAws: () => Promise.reject(new Error("the identity was asked")) };
    await expect(services({}, nobody)(key)).rejects.toThrow("the identity was asked");
    expect(opened(value, await services(entries, nobody)(key))).toBe("open sesame");
    expect(seen[0]?.authorization).toContain("Credential=test2/");
    expect(seen[0]?.authorization).toContain("x-amz-security-token");
  });

  it("KS-101, KS-103: a service account's token is exchanged for its role in the key's region", async () => {
    const { value, key } = await encrypted(["--kms", keyArn]);
    const asked: string[][] = [];
    const claims = { sub: "system:serviceaccount:apps:reader", aud: ["sts.amazonaws.com"], iss: "https://issuer" };
    const token = ["{}", JSON.stringify(claims), "signature"]
      .map((part) => Buffer.from(part).toString("base64url"))
      .join(".");
    const identity: CloudIdentity = {
      type: "serviceAccount",
      account: { namespace: "apps", name: "reader", annotations: { "eks.amazonaws.com/role-arn": role } },
      requestToken: async (audiences) => {
        asked.push([...audiences]);
        return token;
      },
    };
    expect(opened(value, await services({}, identity)(key))).toBe("open sesame");
    expect(asked).toEqual([["sts.amazonaws.com"]]);
    expect(Object.fromEntries(new URLSearchParams(seen[0]?.body))).toMatchObject({
      Action: "AssumeRoleWithWebIdentity",
      RoleArn: role,
      WebIdentityToken: token,
    });
    expect(seen[1]).toMatchObject({ target: "TrentService.Decrypt" });
    expect(seen[1]?.authorization).not.toContain("Credential=test/");
  });

  it("KS-096: an error has nothing of the credentials", async () => {
    const { key } = await encrypted(["--kms", keyArn]);
    const entries = { "sops.aws-kms": "aws_access_key_id: test\naws_secret_access_key: hush-hush\n" };
    const broken = { ...key, enc: Buffer.from("damaged").toString("base64") };
    const error = await services(entries)(broken).then(
      () => undefined,
      (reason: unknown) => String(reason),
    );
    expect(error).toContain("failed to decrypt sops data key with AWS KMS: InvalidCiphertextException");
    expect(error).not.toContain("hush-hush");
  });
});
