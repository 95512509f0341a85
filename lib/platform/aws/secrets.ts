import {
  GetSecretValueCommand,
  ResourceNotFoundException,
  type SecretsManagerClient,
} from "@aws-sdk/client-secrets-manager";
import type { Clock, SecretReader } from "../ports.ts";
import { createMemory } from "./memory.ts";

/** A rotated secret takes effect within so many milliseconds. */
const rememberedMilliseconds = 15_000;

/** Reads secrets of Secrets Manager by name or ARN, and remembers them for some seconds. */
export function createSecretReader(client: SecretsManagerClient, clock: Clock): SecretReader {
  const remember = createMemory<string | undefined>(clock, rememberedMilliseconds);
  return {
    read: (name) =>
      remember(name, async () => {
        try {
          const { SecretString, SecretBinary } = await client.send(new GetSecretValueCommand({ SecretId: name }));
          return SecretString ?? (SecretBinary === undefined ? undefined : Buffer.from(SecretBinary).toString("utf8"));
        } catch (error) {
          if (error instanceof ResourceNotFoundException) return undefined;
          throw error;
        }
      }),
  };
}
