import { askCloud, formBody, parseAnswer, textField } from "./cloud-request.ts";
import { claimsOf } from "./generic.ts";
import { isHostName } from "./host-name.ts";
import { type CloudOptions, IdentityError } from "./identity.ts";
import type { RegistryLogin } from "./registry-login.ts";

const hostPattern = String.raw`^.+\.(azurecr\.io|azurecr\.cn|azurecr\.de|azurecr\.us)$`;
/** The user of a refresh token, as Azure documents it for `az acr login --expose-token`. */
const username = "00000000-0000-0000-0000-000000000000";

/** The host, where it is a registry of Azure. Throws an IdentityError for any other. */
export function acrHost(host: string): string {
  if (!isHostName(host) || !new RegExp(hostPattern).test(host))
    throw new IdentityError(`invalid Azure registry: '${host}'. must match ${hostPattern}`);
  return host;
}

/** The scope of the token of Entra ID that registries of that cloud take. */
export function acrScope(host: string): string {
  const cloud = host.endsWith(".azurecr.cn") ? "cn" : host.endsWith(".azurecr.us") ? "us" : "net";
  return `https://containerregistry.azure.${cloud}/.default`;
}

/** Exchanges a token of Entra ID for a refresh token of the registry: `POST /oauth2/exchange`. Throws an IdentityError. */
export async function acrLogin(host: string, accessToken: string, options: CloudOptions): Promise<RegistryLogin> {
  const answer = await askCloud(
    {
      method: "POST",
      url: `${options.endpoints?.acr ?? `https://${host}`}/oauth2/exchange`,
      ...formBody({ grant_type: "access_token", service: host, access_token: accessToken }),
    },
    options,
  );
  const token = textField(parseAnswer(answer.body), "refresh_token");
  if (answer.status !== 200 || token === undefined)
    throw new IdentityError(`the registry ${host} refused the exchange of a token: status ${answer.status}`);
  const expiry = claimsOf(token)?.exp;
  if (typeof expiry !== "number") throw new IdentityError(`the registry ${host} gave a token that does not end`);
  return { username, password: token, expiresAt: new Date(expiry * 1000) };
}
