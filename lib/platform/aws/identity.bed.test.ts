import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { bedPart, uniqueName } from "../../../test/bed/bed.ts";
import { callAws } from "../../../test/bed/localstack/call.ts";
import type { BedAws } from "../../../test/bed/parts.ts";
import { credentialsOf } from "./identity.ts";

let aws: BedAws;
let role: string;
let now: number;
const clock = { now: () => new Date(now) };

beforeAll(async () => {
  aws = await bedPart("localstack");
  for (const [name, value] of Object.entries(aws.env)) vi.stubEnv(name, value);
  const trust = { Version: "2012-10-17", Statement: [{ Effect: "Allow", Principal: "*", Action: "sts:AssumeRole" }] };
  const body = { Action: "CreateRole", Version: "2010-05-08", RoleName: uniqueName("sources") };
  const made = await callAws(aws, "iam", { body: { ...body, AssumeRolePolicyDocument: JSON.stringify(trust) } });
  role = /<Arn>(.*?)<\/Arn>/.exec(made)?.[1] ?? "";
});

afterAll(() => {
  vi.unstubAllEnvs();
});

/** As whom somebody asks, by STS's own answer. */
async function whoIs(credentials: { accessKeyId: string; secretAccessKey: string; sessionToken?: string }) {
  const { GetCallerIdentityCommand, STSClient } = await import("@aws-sdk/client-sts");
  return (await new STSClient({ credentials }).send(new GetCallerIdentityCommand({}))).Arn;
}

describe("as whom a function asks AWS", () => {
  it("SN-010: sources are read as the role of sources, in a session of the function's name, and asked for once until it ends", async () => {
    now = Date.now();
    const ask = credentialsOf(
      "sources",
      { SLUICE_SOURCES_ROLE: role, AWS_LAMBDA_FUNCTION_NAME: "team-a-source" },
      clock,
    );
    const [first, beside] = await Promise.all([ask?.(), ask?.()]);
    if (first === undefined) throw new Error("there are no credentials");
    expect(beside).toBe(first);
    expect(await whoIs(first)).toMatch(new RegExp(`:assumed-role/${role.replace(/.*\//, "")}/team-a-source$`));
    expect(first.accessKeyId).not.toBe(process.env.AWS_ACCESS_KEY_ID);
    const lasts = (first.expiresAt?.getTime() ?? 0) - now;
    expect(lasts).toBeGreaterThan(50 * 60_000);
    now += lasts - 11 * 60_000;
    expect(await ask?.()).toBe(first);
    now += 2 * 60_000;
    const second = await ask?.();
    expect(second?.accessKeyId).not.toBe(first.accessKeyId);
    expect(second?.expiresAt?.getTime()).toBeGreaterThan(now);
  });

  it("SN-010: a refusal is the error of those who ask, and is asked for again", async () => {
    const ask = credentialsOf("sources", { SLUICE_SOURCES_ROLE: "no-arn" }, clock);
    await expect(ask?.()).rejects.toThrow("no-arn");
    await expect(ask?.()).rejects.toThrow("no-arn");
  });

  it("SN-010: sources without a role have nobody, and never the function's own role; only who says so has that", async () => {
    expect(credentialsOf("sources", {}, clock)).toBeUndefined();
    expect(credentialsOf("sources", { SLUICE_SOURCES_ROLE: "" }, clock)).toBeUndefined();
    expect(credentialsOf("nobody", { SLUICE_SOURCES_ROLE: role }, clock)).toBeUndefined();
    const own = await credentialsOf("function", { SLUICE_SOURCES_ROLE: role }, clock)?.();
    expect(own?.accessKeyId).toBe(process.env.AWS_ACCESS_KEY_ID);
  });
});
