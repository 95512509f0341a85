import { isIP } from "node:net";
import { availableParallelism } from "node:os";

/** What `sluice start` was told, checked. */
export type StartOptions = {
  /** Undefined: the embedded cluster. */
  cluster: { kubeconfig: string; context: string | undefined } | undefined;
  /** Undefined: the default of the cluster. */
  data: string | undefined;
  listen: { address: string; port: number };
  advertise: string | undefined;
  concurrency: number;
  log: "json" | "pretty";
  install: boolean;
  once: boolean;
};

/** The arguments as they come from the command line. */
export type StartArguments = {
  kubeconfig?: string | undefined;
  context?: string | undefined;
  data?: string | undefined;
  listen?: string | undefined;
  advertise?: string | undefined;
  concurrency?: string | undefined;
  log?: string | undefined;
  install?: boolean | undefined;
  once?: boolean | undefined;
};

/** Checks the arguments. Throws a sentence that names the flag and says what it takes. */
export function parseStartOptions(given: StartArguments): StartOptions {
  if (given.kubeconfig === undefined && given.context !== undefined)
    throw new Error("--context needs --kubeconfig FILE: Sluice reads no kubeconfig that was not named");
  if (given.kubeconfig === undefined && given.install === true)
    throw new Error("--install needs --kubeconfig FILE and --context NAME; the embedded cluster is always prepared");
  const listen = parseListen(given.listen ?? (given.kubeconfig === undefined ? "127.0.0.1:0" : "127.0.0.1:9443"));
  if ((listen.address === "0.0.0.0" || listen.address === "::") && given.advertise === undefined)
    throw new Error(
      `--listen ${given.listen} needs --advertise URL: every address of this machine is none that a cluster can call`,
    );
  return {
    cluster: given.kubeconfig === undefined ? undefined : { kubeconfig: given.kubeconfig, context: given.context },
    data: given.data,
    listen,
    advertise: given.advertise === undefined ? undefined : parseAdvertise(given.advertise),
    concurrency: parseConcurrency(given.concurrency),
    log: parseLog(given.log ?? "pretty"),
    install: given.install ?? false,
    once: given.once ?? false,
  };
}

function parseListen(text: string): StartOptions["listen"] {
  const [, bracketed, plain, digits] = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(text) ?? [];
  const address = bracketed ?? (plain === "localhost" ? "127.0.0.1" : plain) ?? "";
  const port = Number(digits);
  if (isIP(address) === 0 || !(port <= 65_535))
    throw new Error(`--listen takes ADDR:PORT, such as 127.0.0.1:9443 or [::1]:9443, not '${text}'`);
  return { address, port };
}

function parseAdvertise(text: string): string {
  const url = URL.parse(text);
  const bare = url !== null && url.pathname === "/" && url.search === "" && url.hash === "" && url.username === "";
  if (!bare || url.protocol !== "https:")
    throw new Error(
      `--advertise takes the https address of this host without a path, such as https://sluice.example:9443, not '${text}'`,
    );
  return url.origin;
}

/** By default several items a processor: most of an item's time is waiting for servers. */
function parseConcurrency(text: string | undefined): number {
  if (text === undefined) return Math.max(8, availableParallelism() * 4);
  const concurrency = Number(text);
  if (!Number.isInteger(concurrency) || concurrency < 1 || concurrency > 1000)
    throw new Error(`--concurrency takes a whole number from 1 to 1000, not '${text}'`);
  return concurrency;
}

function parseLog(text: string): StartOptions["log"] {
  if (text !== "json" && text !== "pretty") throw new Error(`--log takes json or pretty, not '${text}'`);
  return text;
}
