import type { AwsCredentials, Clock } from "../ports.ts";
import { clientOptions } from "./client-options.ts";

/**
 * As whom a function asks AWS for what an object of a cluster names, where that object brings nobody: as its own role, as the
 * role of sources, or not at all.
 */
export type OwnIdentity = "function" | "sources" | "nobody";

/** A role is taken for an hour, which is the longest for one that takes another, and anew so many milliseconds before it ends. */
const renewal = 10 * 60_000;

/**
 * The credentials of an identity (SN-010, SN-19), or undefined where there are none: for sources, where the deployment names no
 * role (SLUICE_SOURCES_ROLE). What finds them is loaded by those who ask: most functions never do.
 */
export function credentialsOf(
  identity: OwnIdentity,
  env: NodeJS.ProcessEnv,
  clock: Clock,
): (() => Promise<AwsCredentials>) | undefined {
  if (identity === "function") return ownCredentials;
  const role = env.SLUICE_SOURCES_ROLE ?? "";
  if (identity === "nobody" || role === "") return undefined;
  return roleCredentials(role, sessionName(env), clock);
}

/** Those of the function's role. */
async function ownCredentials(): Promise<AwsCredentials> {
  provider ??= import("@aws-sdk/credential-provider-node").then(({ defaultProvider }) => defaultProvider());
  const { accessKeyId, secretAccessKey, sessionToken, expiration } = await (await provider)();
  return {
    accessKeyId,
    secretAccessKey,
    ...(sessionToken === undefined ? {} : { sessionToken }),
    ...(expiration === undefined ? {} : { expiresAt: expiration }),
  };
}

let provider:
  | Promise<() => Promise<{ accessKeyId: string; secretAccessKey: string; sessionToken?: string; expiration?: Date }>>
  | undefined;

/**
 * Those of another role, which the function's own may take (AssumeRole). Those who ask at once share one request; a refusal is not
 * remembered. CloudTrail shows `session` beside what was done with them.
 */
function roleCredentials(role: string, session: string, clock: Clock): () => Promise<AwsCredentials> {
  let taken: { credentials: Promise<AwsCredentials>; until: number } | undefined;
  return () => {
    if (taken !== undefined && clock.now().getTime() < taken.until) return taken.credentials;
    const entry = { credentials: assumeRole(role, session), until: Number.POSITIVE_INFINITY };
    taken = entry;
    entry.credentials.then(
      ({ expiresAt }) => {
        entry.until = (expiresAt?.getTime() ?? 0) - renewal;
      },
      () => {
        if (taken === entry) taken = undefined;
      },
    );
    return entry.credentials;
  };
}

async function assumeRole(role: string, session: string): Promise<AwsCredentials> {
  const { AssumeRoleCommand, STSClient } = await import("@aws-sdk/client-sts");
  const client = new STSClient(clientOptions);
  try {
    const { Credentials } = await client.send(new AssumeRoleCommand({ RoleArn: role, RoleSessionName: session }));
    const { AccessKeyId, SecretAccessKey, SessionToken, Expiration } = Credentials ?? {};
    if (AccessKeyId === undefined || SecretAccessKey === undefined || SessionToken === undefined)
      throw new Error(`STS gave no credentials for ${role}`);
    return {
      accessKeyId: AccessKeyId,
      secretAccessKey: SecretAccessKey,
      sessionToken: SessionToken,
      ...(Expiration === undefined ? {} : { expiresAt: Expiration }),
    };
  } finally {
    client.destroy();
  }
}

/** The function's name: STS allows 64 characters of `[\w+=,.@-]`, which Lambda's names are of. */
function sessionName(env: NodeJS.ProcessEnv): string {
  return (env.AWS_LAMBDA_FUNCTION_NAME ?? "sluice").slice(0, 64);
}
