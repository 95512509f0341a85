import type { Parser } from "../parser.ts";
import { archiveParsers } from "./archives.ts";
import { chartParsers } from "./charts.ts";
import { gitObjectParsers } from "./git-objects.ts";
import { gitProtocolParsers } from "./git-protocol.ts";
import { registryParsers } from "./registries.ts";
import { sshParsers } from "./ssh.ts";
import { textParsers } from "./texts.ts";

/** Every parser of bytes from outside that the fuzzer runs. */
export const parsers: readonly Parser[] = [
  ...gitProtocolParsers,
  ...gitObjectParsers,
  ...sshParsers,
  ...archiveParsers,
  ...chartParsers,
  ...registryParsers,
  ...textParsers,
];

/** The parser of a name. Throws where there is none. */
export function parserOf(name: string): Parser {
  const found = parsers.find((parser) => parser.name === name);
  if (found === undefined) throw new Error(`there is no parser ${name}: ${parsers.map((one) => one.name).join(", ")}`);
  return found;
}
