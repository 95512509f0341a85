import { lookup as resolve } from "node:dns";
import { connect, type LookupFunction, type Socket } from "node:net";
import { isClusterLocal } from "./ask-error.ts";
import { tenantAddress } from "./tenant-address.ts";

/** How long the name service may search for a name that only a cluster's own has, in milliseconds (SN-011). */
const clusterLocalMilliseconds = 2_000;

/**
 * The lookup of a connection to a host that a tenant chose (`tenantAddress`). Throws AddressRefused for a literal address that
 * must not be reached, however it is spelled.
 */
export function guarded(protocol: string, host: string, port: number): { lookup: LookupFunction } {
  const literal = host.includes(":") ? `[${host}]` : host;
  const url = URL.parse(`${protocol}//${literal}:${port}`);
  if (url === null) throw new Error("the host's name is not valid");
  return tenantAddress(url, isClusterLocal(host) ? briefly : undefined);
}

/** Resolvers ask several servers several times for what none of them can know. */
const briefly: LookupFunction = (name, options, callback) => {
  let isDone = false;
  const once: typeof callback = (...answer) => {
    if (isDone) return;
    isDone = true;
    clearTimeout(patience);
    callback(...answer);
  };
  const late = () =>
    once(Object.assign(new Error(`getaddrinfo ENOTFOUND ${name}`), { code: "ENOTFOUND", syscall: "getaddrinfo" }), "");
  const patience = setTimeout(late, clusterLocalMilliseconds);
  resolve(name, options, once);
};

/** A TCP connection, kept alive by its probes. Rejects as node:net does, and with the signal's reason. */
export function connectDirectly(
  { host, port }: { host: string; port: number },
  lookup: LookupFunction,
  signal: AbortSignal,
): Promise<Socket> {
  return new Promise((done, reject) => {
    if (signal.aborted) return reject(signal.reason);
    const socket = connect({ host, port, lookup, noDelay: true, keepAlive: true });
    const end = () => socket.destroy(signal.reason instanceof Error ? signal.reason : new Error("aborted"));
    signal.addEventListener("abort", end, { once: true });
    socket.once("error", reject);
    socket.once("close", () => signal.removeEventListener("abort", end));
    socket.once("connect", () => {
      signal.removeEventListener("abort", end);
      socket.removeListener("error", reject);
      // Until the caller listens, a lost connection must not end the process.
      socket.on("error", () => undefined);
      done(socket);
    });
  });
}
