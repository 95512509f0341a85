import { describe, expect, it } from "vitest";
import { proxyFromSecret } from "./proxy-secret.ts";

const read = (data: Record<string, string>) =>
  proxyFromSecret("ns/proxy", new Map(Object.entries(data).map(([key, value]) => [key, Buffer.from(value)])));

describe("the proxy of a Secret", () => {
  it("SEC-004: is an http, https or socks5 address, with credentials or without", () => {
    for (const address of ["http://proxy.test:3128", "https://proxy.test", "socks5://[fd00::1]:1080"])
      expect(read({ address })).toEqual({ address });
    expect(read({ address: "HTTP://proxy.test", username: "me", password: "secret" })).toEqual({
      address: "HTTP://proxy.test",
      username: "me",
      password: "secret",
    });
    expect(read({ address: "http://proxy.test", username: "me" })).toEqual({
      address: "http://proxy.test",
      username: "me",
    });
    expect(read({ address: "http://proxy.test", password: "alone" })).toEqual({ address: "http://proxy.test" });
  });

  const schemes = "proxy URL must use one of the supported schemes (http, https, socks5), got";
  const parse = (told: string) => `failed to parse proxy address '${told}': parse "${told}":`;
  it.each<[Record<string, string>, string]>([
    [{}, "key 'address' not found"],
    [{ username: "canary" }, "key 'address' not found"],
    [{ address: "" }, "proxy address is empty"],
    [{ address: "ftp://proxy.test" }, `${schemes} 'ftp'`],
    [{ address: "socks4://canary:canary@proxy.test" }, `${schemes} 'socks4'`],
    [{ address: "proxy.test:3128" }, `${schemes} 'proxy.test'`],
    [{ address: "proxy.test" }, `${schemes} ''`],
    [{ address: `http://${"a".repeat(3000)}` }, "proxy URL exceeds maximum length of 2048 characters"],
    [{ address: "127.0.0.1:3128" }, `${parse("127.0.0.1:3128")} first path segment in URL cannot contain colon`],
    [{ address: "://proxy.test" }, `${parse("://proxy.test")} missing protocol scheme`],
    [
      { address: "http://canary:canary@proxy.test:abc?canary" },
      `${parse("http://***@proxy.test:abc")} invalid port ":abc" after host`,
    ],
    [
      { address: "http://canary:canary@proxy test" },
      `${parse("http://***@proxy test")} invalid character " " in host name`,
    ],
    [{ address: "http://" }, `${parse("http://")} the URL has no host`],
    [{ address: "http://proxy.test\n" }, `${parse("http://proxy.test ")} net/url: invalid control character in URL`],
  ])("SEC-004, SEC-012: that cannot be used is told in Flux's words, without credentials (%#)", (data, words) => {
    expect(() => read(data)).toThrow(
      expect.objectContaining({ name: "SecretError", message: `secret 'ns/proxy': ${words}` }),
    );
  });
});
