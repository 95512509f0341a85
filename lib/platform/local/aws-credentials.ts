import type { AwsCredentials } from "../ports.ts";

/**
 * The AWS credentials that the environment holds, by the variables of AWS's own clients, or undefined where it holds none: an
 * operator who set them for this process means it to use them. Nothing else is looked for; a profile, or a login, can be exported to them
 * (`aws configure export-credentials --format env`). Throws where only one half is there.
 */
export function environmentCredentials(env: NodeJS.ProcessEnv): AwsCredentials | undefined {
  const { AWS_ACCESS_KEY_ID: accessKeyId = "", AWS_SECRET_ACCESS_KEY: secretAccessKey = "" } = env;
  const { AWS_SESSION_TOKEN: sessionToken = "" } = env;
  if (accessKeyId === "" && secretAccessKey === "" && sessionToken === "") return undefined;
  const missing = accessKeyId === "" ? "AWS_ACCESS_KEY_ID" : secretAccessKey === "" ? "AWS_SECRET_ACCESS_KEY" : "";
  if (missing !== "")
    throw new Error(`${missing} is not set, but others of AWS's credentials are: set it too, or unset them`);
  return { accessKeyId, secretAccessKey, ...(sessionToken === "" ? {} : { sessionToken }) };
}
