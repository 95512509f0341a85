import { lookup as resolve } from "node:dns";
import { BlockList, isIP, type LookupFunction } from "node:net";

/** An address that was refused before anything was sent to it. Another attempt ends alike. */
export class AddressRefused extends Error {
  constructor(message: string) {
    super(message);
    this.name = "AddressRefused";
  }
}

/**
 * The `lookup` of a request to an address that a tenant chose: the function's runtime API and the machine's link-local services
 * are refused (TM-008). They believe whoever asks them: a tenant could end or answer invocations, or take the function's
 * credentials. Throws AddressRefused where the URL names such an address itself; a host's name is judged by what it resolves to
 * at the very connection, which fails with AddressRefused. Loopback and private addresses are allowed: services live there.
 */
export function tenantAddress(url: URL, lookup: LookupFunction = resolve): { lookup: LookupFunction } {
  const host = url.hostname.replace(/^\[|\]$/g, "");
  const port = url.port === "" ? (url.protocol === "https:" ? 443 : 80) : Number(url.port);
  // Node looks no literal address up.
  const why = isIP(host) === 0 ? undefined : objection(host, port);
  if (why !== undefined) throw new AddressRefused(`${url.host} is not to be reached: ${why}`);
  return {
    lookup: (name, options, callback) =>
      lookup(name, options, (error, found, family) => {
        const addresses =
          error !== null ? [] : typeof found === "string" ? [found] : found.map(({ address }) => address);
        for (const address of addresses) {
          const against = objection(address, port);
          if (against === undefined) continue;
          callback(new AddressRefused(`${name} leads to ${address}, which is not to be reached: ${against}`), "");
          return;
        }
        callback(error, found, family);
      }),
  };
}

/** Instance metadata, credentials of containers and functions, time and name service: RFC 3927, and what EC2 has of it in IPv6. */
const linkLocal = new BlockList();
linkLocal.addSubnet("169.254.0.0", 16, "ipv4");
linkLocal.addSubnet("fd00:ec2::", 32, "ipv6");
linkLocal.addSubnet("fe80::", 10, "ipv6");
// What leads to the former from IPv6: compatible addresses, NAT64 (RFC 6052, RFC 8215) and 6to4 (RFC 3056).
linkLocal.addSubnet("::a9fe:0", 112, "ipv6");
linkLocal.addSubnet("64:ff9b::a9fe:0", 112, "ipv6");
linkLocal.addSubnet("64:ff9b:1::a9fe:0", 112, "ipv6");
linkLocal.addSubnet("2002:a9fe::", 32, "ipv6");

/** Every address by which a machine reaches itself whatever its network: loopback and the unspecified address. */
const itself = new BlockList();
itself.addSubnet("127.0.0.0", 8, "ipv4");
itself.addSubnet("0.0.0.0", 8, "ipv4");
itself.addAddress("::1", "ipv6");
itself.addAddress("::", "ipv6");

/** Why nothing is sent there, or undefined. Lambda tells where its runtime API is by a variable. */
function objection(text: string, port: number): string | undefined {
  const address = text.replace(/%.*$/, "");
  const family = isIP(address) === 6 ? "ipv6" : "ipv4";
  if (linkLocal.check(address, family))
    return "a link-local address is of the machine's own services, instance metadata among them";
  const [, host, own] = /^(.*):(\d+)$/.exec(process.env.AWS_LAMBDA_RUNTIME_API ?? "") ?? [];
  if (own === undefined || Number(own) !== port) return undefined;
  return itself.check(address, family) || address === host
    ? `port ${port} is of the function's own runtime API`
    : undefined;
}
