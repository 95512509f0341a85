import { describe, expect, it } from "vitest";
import { environmentCredentials } from "./aws-credentials.ts";

const id = { AWS_ACCESS_KEY_ID: "AKIA1" };
const key = { AWS_SECRET_ACCESS_KEY: "hush" };
const token = { AWS_SESSION_TOKEN: "session" };

describe("environmentCredentials", () => {
  it("SN-19: are those of AWS's own variables, temporary or not", () => {
    expect(environmentCredentials({ ...id, ...key })).toEqual({ accessKeyId: "AKIA1", secretAccessKey: "hush" });
    expect(environmentCredentials({ ...id, ...key, ...token, AWS_PROFILE: "other" })).toEqual({
      accessKeyId: "AKIA1",
      secretAccessKey: "hush",
      sessionToken: "session",
    });
  });

  it("are none where the variables are absent or empty, whatever else is there", () => {
    expect(environmentCredentials({ AWS_PROFILE: "work", AWS_REGION: "eu-central-1" })).toBeUndefined();
    expect(
      environmentCredentials({ AWS_ACCESS_KEY_ID: "", AWS_SECRET_ACCESS_KEY: "", AWS_SESSION_TOKEN: "" }),
    ).toBeUndefined();
  });

  it.each([
    [id, "AWS_SECRET_ACCESS_KEY is not set"],
    [key, "AWS_ACCESS_KEY_ID is not set"],
    [token, "AWS_ACCESS_KEY_ID is not set"],
  ])("half of them is a mistake, told without the other half: %j", (env, sentence) => {
    const failing = () => environmentCredentials(env);
    expect(failing).toThrow(sentence);
    expect(failing).not.toThrow(/hush|AKIA1|: session/);
  });
});
