import { once } from "node:events";
import { createServer, get, type Server } from "node:http";
import type { LookupFunction } from "node:net";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { AddressRefused, tenantAddress } from "./tenant-address.ts";

let server: Server;
let port: number;
let served: number;

beforeEach(async () => {
  served = 0;
  server = createServer((_request, response) => {
    served++;
    response.end("served");
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  port = typeof address === "object" ? (address?.port ?? 0) : 0;
});
afterEach(() => {
  vi.unstubAllEnvs();
  server.closeAllConnections();
  server.close();
});

/** A name service that answers every name with these addresses. */
function answering(...addresses: string[]): LookupFunction {
  const found = addresses.map((address) => ({ address, family: address.includes(":") ? 6 : 4 }));
  return (_name, { all }, callback) => {
    if (all === true) callback(null, found);
    else callback(null, found[0]?.address ?? "", found[0]?.family);
  };
}

/** The status of a GET whose host is looked up by `lookup`. */
const ask = (url: string, lookup?: LookupFunction, options: { autoSelectFamily?: boolean } = {}) =>
  new Promise<number>((resolve, reject) => {
    get(url, { agent: false, ...options, ...tenantAddress(new URL(url), lookup) }, (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    }).on("error", reject);
  });

describe("an address that a tenant chose", () => {
  it.each([
    "http://169.254.169.254/latest/meta-data/",
    "https://169.254.169.254",
    "http://169.254.170.2/v2/credentials",
    "http://2852039166/",
    "http://0xa9.0xfe.0xa9.0xfe/",
    "http://[::ffff:169.254.169.254]/",
    "http://[fd00:ec2::254]/",
    "http://[fd00:ec2::23]:80/v1/credentials",
    "http://169.254.169.254./",
    "http://0251.0376.0251.0376/",
    "http://169.254.43518/",
    "http://[::169.254.169.254]/",
    "http://[64:ff9b::169.254.169.254]/",
    "http://[64:ff9b:1::a9fe:a9fe]/",
    "http://[2002:a9fe:a9fe::1]/",
    "http://[fe80::1]/",
  ])("TM-008: is refused where it is link-local, however it is written: %s", (url) => {
    expect(() => tenantAddress(new URL(url))).toThrow(AddressRefused);
    expect(() => tenantAddress(new URL(url))).toThrow(/^\S+ is not to be reached: a link-local address is of/);
  });

  it.each(["127.0.0.1", "127.1", "2130706433", "127.9.9.9", "0.0.0.0", "[::1]", "[::]", "[::ffff:127.0.0.1]"])(
    "TM-008: is refused where it is the function's runtime API: %s",
    (host) => {
      const url = new URL(`http://${host}:9001/2018-06-01/runtime/invocation/next`);
      expect(() => tenantAddress(url)).not.toThrow();
      vi.stubEnv("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:9001");
      expect(() => tenantAddress(url)).toThrow("is not to be reached: port 9001 is of the function's own runtime API");
    },
  );

  it("TM-008: is refused by the runtime API's own address, and by a default port", () => {
    vi.stubEnv("AWS_LAMBDA_RUNTIME_API", "10.1.2.3:80");
    expect(() => tenantAddress(new URL("http://10.1.2.3/"))).toThrow("10.1.2.3 is not to be reached: port 80");
    expect(() => tenantAddress(new URL("https://10.1.2.3/"))).not.toThrow();
    expect(() => tenantAddress(new URL("http://10.1.2.4/"))).not.toThrow();
  });

  it.each(["169.254.169.254", "::ffff:169.254.169.254", "fd00:ec2::254", "64:ff9b::a9fe:a9fe", "fe80::1%eth0"])(
    "TM-008: is judged by what its name resolves to at the connection: %s",
    async (address) => {
      const told = `metadata.test leads to ${address}, which is not to be reached: a link-local address`;
      const url = `http://metadata.test:${port}/`;
      for (const autoSelectFamily of [true, false])
        await expect(ask(url, answering(address), { autoSelectFamily })).rejects.toThrow(told);
      await expect(ask(url, answering("127.0.0.1", address), { autoSelectFamily: true })).rejects.toThrow(told);
      expect(served).toBe(0);
    },
  );

  it("TM-008: is judged anew at each connection, so that a name may not change its mind", async () => {
    vi.stubEnv("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:1");
    let asked = 0;
    const rebinding: LookupFunction = (name, options, callback) =>
      answering(asked++ === 0 ? "127.0.0.1" : "169.254.169.254")(name, options, callback);
    expect(await ask(`http://rebinding.test:${port}/`, rebinding)).toBe(200);
    await expect(ask(`http://rebinding.test:${port}/`, rebinding)).rejects.toThrow(AddressRefused);
    vi.stubEnv("AWS_LAMBDA_RUNTIME_API", `127.0.0.1:${port}`);
    await expect(ask(`http://app.test:${port}/`, answering("127.0.0.1"))).rejects.toThrow(
      `app.test leads to 127.0.0.1, which is not to be reached: port ${port}`,
    );
    expect(served).toBe(1);
  });

  it("may be loopback or private: services live there", async () => {
    vi.stubEnv("AWS_LAMBDA_RUNTIME_API", "169.254.100.1:9001");
    expect(await ask(`http://127.0.0.1:${port}/`)).toBe(200);
    expect(await ask(`http://localhost:${port}/`)).toBe(200);
    expect(await ask(`http://app.test:${port}/`, answering("127.0.0.1"))).toBe(200);
    for (const url of ["http://10.0.0.1/", "https://192.168.1.1:8443/", "http://[fd00::1]/", "http://169.253.1.1/"])
      expect(() => tenantAddress(new URL(url))).not.toThrow();
  });

  it("keeps the error of a name that does not resolve", async () => {
    const error = Object.assign(new Error("getaddrinfo ENOTFOUND none.test"), { code: "ENOTFOUND" });
    await expect(ask("http://none.test/", (_name, _options, callback) => callback(error, ""))).rejects.toBe(error);
  });
});
