import type { Format } from "./tree.ts";

/** The names of the formats in messages, as Flux writes them. */
export const formatNames: Readonly<Record<Format, string>> = {
  binary: "binary",
  dotenv: "dotenv",
  ini: "INI",
  json: "JSON",
  yaml: "YAML",
};

/** The format of a file or of a Secret's key, by how its name ends (KS-093, KS-094). */
export function formatForPath(path: string): Format {
  if (path.endsWith(".dockerconfigjson") || path.endsWith(".json")) return "json";
  if (path.endsWith(".yaml") || path.endsWith(".yml")) return "yaml";
  if (path.endsWith(".env")) return "dotenv";
  return path.endsWith(".ini") ? "ini" : "binary";
}

/** What the bytes of an encrypted file have in them, by format (KS-093). */
const markers: readonly (readonly [Format, string])[] = [
  ["json", '"mac": "ENC['],
  ["binary", '"mac": "ENC['],
  ["yaml", "mac: ENC["],
  ["dotenv", "sops_mac=ENC["],
  ["ini", "[sops]"],
];

/** Whether a file of a format is encrypted: whether the format's mark is in it. */
export function isEncrypted(content: Uint8Array, format: Format): boolean {
  return markers.some(([name, mark]) => name === format && view(content).includes(mark));
}

/** The format of encrypted bytes of which nothing else is known; undefined where they are not encrypted. */
export function detectFormat(content: Uint8Array): Format | undefined {
  return markers.find(([format]) => isEncrypted(content, format))?.[0];
}

function view({ buffer, byteOffset, byteLength }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength);
}
