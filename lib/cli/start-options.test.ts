import { describe, expect, it } from "vitest";
import { parseStartOptions } from "./start-options.ts";

describe("the options of sluice start", () => {
  it("have defaults that start the embedded cluster on the loopback interface", () => {
    expect(parseStartOptions({})).toMatchObject({
      cluster: undefined,
      listen: { address: "127.0.0.1", port: 0 },
      advertise: undefined,
      log: "pretty",
      install: false,
      once: false,
    });
    expect(parseStartOptions({ kubeconfig: "k", context: "c" }).listen).toEqual({ address: "127.0.0.1", port: 9443 });
  });

  it("are taken as they are given", () => {
    const given = {
      kubeconfig: "k",
      context: "c",
      data: "d",
      listen: "[::1]:8443",
      advertise: "https://sluice.test:8443/",
      concurrency: "3",
      log: "json",
      install: true,
      once: true,
    };
    expect(parseStartOptions(given)).toEqual({
      cluster: { kubeconfig: "k", context: "c" },
      data: "d",
      listen: { address: "::1", port: 8443 },
      advertise: "https://sluice.test:8443",
      concurrency: 3,
      log: "json",
      install: true,
      once: true,
    });
    expect(parseStartOptions({ listen: "localhost:1" }).listen).toEqual({ address: "127.0.0.1", port: 1 });
  });

  it.each([
    [{ context: "c" }, "--context needs --kubeconfig FILE"],
    [{ install: true }, "--install needs --kubeconfig FILE and --context NAME"],
    [{ listen: "9443" }, "--listen takes ADDR:PORT"],
    [{ listen: "127.0.0.1:70000" }, "--listen takes ADDR:PORT"],
    [{ listen: "example.org:1" }, "--listen takes ADDR:PORT"],
    [{ listen: "0.0.0.0:9443" }, "--listen 0.0.0.0:9443 needs --advertise URL"],
    [{ listen: "[::]:9443" }, "--listen [::]:9443 needs --advertise URL"],
    [{ advertise: "http://a" }, "--advertise takes the https address"],
    [{ advertise: "https://a/path" }, "--advertise takes the https address"],
    [{ concurrency: "0" }, "--concurrency takes a whole number"],
    [{ concurrency: "many" }, "--concurrency takes a whole number"],
    [{ log: "xml" }, "--log takes json or pretty, not 'xml'"],
  ])("are refused in a sentence that names the flag: %j", (given, sentence) => {
    expect(() => parseStartOptions(given)).toThrow(sentence);
  });
});
