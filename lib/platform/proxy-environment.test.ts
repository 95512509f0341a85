import { describe, expect, it } from "vitest";
import { environmentProxies, environmentProxy } from "./proxy-environment.ts";

const chosen = (none: string, host: string, port = 443) =>
  environmentProxy("https:", host, port, { http: "", https: "proxy.test:3128", all: "", none }) !== undefined;

describe("the proxies of the environment, as golang.org/x/net/http/httpproxy chooses them", () => {
  it("SEC-005: are by scheme, in capitals or not, with credentials and a port by default", () => {
    const proxies = environmentProxies({
      http_proxy: "http://a:b%40c@plain.test",
      HTTPS_PROXY: "socks5://s.test",
      all_proxy: "",
    });
    expect(environmentProxy("http:", "x.test", 80, proxies)).toEqual({
      protocol: "http:",
      host: "plain.test",
      port: 80,
      username: "a",
      password: "b@c",
    });
    expect(environmentProxy("https:", "x.test", 443, proxies)).toEqual({
      protocol: "socks5:",
      host: "s.test",
      port: 1080,
    });
    expect(environmentProxy("tcp:", "x.test", 22, proxies)).toBeUndefined();
    expect(environmentProxy("https:", "x.test", 443, { ...proxies, https: "ftp://x" })).toBeUndefined();
  });

  it.each([
    ["", "localhost", false],
    ["", "127.0.0.1", false],
    ["", "127.9.9.9", false],
    ["", "::1", false],
    ["", "x.test", true],
    ["*", "x.test", false],
    ["example.com", "example.com", false],
    ["example.com", "EXAMPLE.com.", false],
    ["example.com", "a.example.com", false],
    ["example.com", "notexample.com", true],
    [".example.com", "example.com", true],
    [".example.com", "a.example.com", false],
    ["*.example.com", "example.com", true],
    ["*.example.com", "a.b.example.com", false],
    ["other.test, example.com:443 ,", "example.com", false],
    ["example.com:80", "example.com", true],
    ["10.0.0.0/8", "10.1.2.3", false],
    ["10.0.0.0/8", "11.1.2.3", true],
    ["10.0.0.0/99", "10.1.2.3", true],
    ["10.1.2.3", "10.1.2.3", false],
    ["10.1.2.3:443", "10.1.2.3", false],
    ["10.1.2.3:80", "10.1.2.3", true],
    ["[fd00::1]:443", "fd00::1", false],
    ["fd00::/16", "fd00:0:0:1::5", false],
    ["10.1.2.3", "x.test", true],
  ])("SEC-005: with NO_PROXY=%j, %s goes through it: %s", (none, host, through) => {
    expect(chosen(none, host)).toBe(through);
  });
});
