import type { Outbound } from "../platform/outbound.ts";
import type { AwsCredentials } from "../platform/ports.ts";

export type { AwsCredentials };

/** What of a Kubernetes ServiceAccount its cloud identity depends on: the name is part of the identity, annotations name the rest. */
export type ServiceAccount = { namespace: string; name: string; annotations: Readonly<Record<string, string>> };

/** The token of a ServiceAccount for these audiences (TokenRequest API); no audiences ask for the API server's own. */
export type RequestToken = (audiences: readonly string[]) => Promise<string>;

/**
 * Who asks a cloud for credentials (KS-103, SN-19): a ServiceAccount of the home cluster, or the identity of the deployment itself.
 * The deployment has one of its own in AWS only, the role of its function. `ownAws` is absent where it has none.
 */
export type CloudIdentity =
  | { type: "serviceAccount"; account: ServiceAccount; requestToken: RequestToken }
  | { type: "own"; ownAws?: (() => Promise<AwsCredentials>) | undefined };

/** A bearer token, and when it ends. Never logged. */
export type AccessToken = { token: string; expiresAt: Date };

/** Addresses of the clouds' APIs, for tests and for private clouds. Never of a tenant's choice: tokens are sent there. */
export type Endpoints = {
  /** AWS STS; by default `https://sts.<region>.<suffix>`. */
  sts?: string;
  /** AWS EKS; by default `https://eks.<region>.<suffix>`. */
  eks?: string;
  /** Amazon ECR; by default `https://api.ecr.<region>.<suffix>`, and `https://api.ecr-public.us-east-1.amazonaws.com`. */
  ecr?: string;
  /** Azure Container Registry; by default the registry itself. */
  acr?: string;
  /** Microsoft Entra ID; by default `https://login.microsoftonline.com`. */
  entra?: string;
  /** Azure Resource Manager; by default `https://management.azure.com`. */
  azureManagement?: string;
  /** Google's Security Token Service; by default `https://sts.googleapis.com`. */
  googleSts?: string;
  /** Google's IAM Credentials API; by default `https://iamcredentials.googleapis.com`. */
  googleIamCredentials?: string;
  /** Google Kubernetes Engine; by default `https://container.googleapis.com`. */
  googleContainer?: string;
};

/** What every request to a cloud takes: when to give up, and where to go. */
export type CloudOptions = {
  signal: AbortSignal;
  endpoints?: Endpoints;
  /** PEM of further certificate authorities of the endpoints. */
  certificateAuthority?: string;
  /** How the servers of the object are reached that asks: its proxy, or the environment's (SEC-005, SEC-006). */
  outbound?: Outbound;
};

/** A cloud did not give what was asked for: a sentence for the user, without secrets. */
export class IdentityError extends Error {
  constructor(message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = "IdentityError";
  }
}
