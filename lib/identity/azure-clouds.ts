/** One of Azure's clouds: where its authority is, and where its key vaults and the blobs of its storage accounts are. */
export type AzureCloud = {
  authorities: readonly string[];
  vaultSuffixes: readonly string[];
  blobSuffixes: readonly string[];
};

/** The clouds by the hosts that azidentity and MSAL know. The first authority is the one to ask. */
const clouds: readonly AzureCloud[] = [
  {
    authorities: ["login.microsoftonline.com", "login.microsoft.com", "login.windows.net", "sts.windows.net"],
    vaultSuffixes: ["vault.azure.net", "managedhsm.azure.net"],
    blobSuffixes: ["blob.core.windows.net", "blob.storage.azure.net"],
  },
  {
    authorities: ["login.chinacloudapi.cn", "login.partner.microsoftonline.cn"],
    vaultSuffixes: ["vault.azure.cn", "managedhsm.azure.cn"],
    blobSuffixes: ["blob.core.chinacloudapi.cn"],
  },
  {
    authorities: ["login.microsoftonline.us", "login.usgovcloudapi.net"],
    vaultSuffixes: ["vault.usgovcloudapi.net", "managedhsm.usgovcloudapi.net"],
    blobSuffixes: ["blob.core.usgovcloudapi.net"],
  },
];

/** The authority of Azure's public cloud. */
export const publicAuthority = "https://login.microsoftonline.com";

/** Whether an address is that of an authority of one of Azure's clouds. */
export function isAuthority(address: string): boolean {
  const { protocol, host } = URL.canParse(address) ? new URL(address) : { protocol: "", host: "" };
  return protocol === "https:" && clouds.some(({ authorities }) => authorities.includes(host));
}

/** The cloud that an authority is of (`https://login.microsoftonline.us/`). Throws where it is none of Azure's. */
export function cloudOf(authority: string): AzureCloud {
  const url = URL.canParse(authority) ? new URL(authority) : undefined;
  const cloud = clouds.find(({ authorities }) => authorities.includes(url?.host ?? ""));
  if (url?.protocol !== "https:" || cloud === undefined)
    throw new Error(
      `'${authority.slice(0, 300)}' is the authority of no cloud of Azure: it must be https://${clouds
        .map(({ authorities }) => authorities[0])
        .join(", https://")}`,
    );
  return cloud;
}

/** Whether a host is that of blobs in one of Azure's clouds. */
export function isBlobHost(host: string): boolean {
  return clouds.some(({ blobSuffixes }) => blobSuffixes.some((suffix) => host.endsWith(`.${suffix}`)));
}

/**
 * Where a key vault is, and the scope of the tokens that it takes. The address comes from a file, and is given a token: it must
 * be a key vault of the cloud that the token is of, as Azure's own clients check it against the challenge. Throws.
 */
export function keyVaultOf(address: string, cloud: AzureCloud): { origin: string; scope: string } {
  const url = URL.canParse(address) ? new URL(address) : undefined;
  const suffix = cloud.vaultSuffixes.find((known) =>
    /^[a-z0-9-]{1,127}\.$/.test(beginning(url?.hostname ?? "", known)),
  );
  if (
    url?.protocol !== "https:" ||
    suffix === undefined ||
    url.port !== "" ||
    url.pathname !== "/" ||
    `${url.username}${url.password}${url.search}${url.hash}` !== ""
  )
    throw new Error(
      `'${address.slice(0, 300)}' is no key vault of the credentials' cloud: it must be https://<name>.${cloud.vaultSuffixes.join(" or https://<name>.")}`,
    );
  return { origin: url.origin, scope: `https://${suffix}/.default` };
}

function beginning(host: string, end: string): string {
  return host.endsWith(end) ? host.slice(0, -end.length) : "";
}
