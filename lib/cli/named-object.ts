import { definitions } from "../api/schema/kinds.ts";
import { type KindIdentity, kinds } from "../engine/kinds.ts";

/** An object of one of Sluice's kinds, as a command is told it. */
export type NamedObject = { kind: KindIdentity; name: string };

/** Reads KIND/NAME; the kind may be spelt as kubectl takes it: in any case, in the plural, or short. Throws a sentence for anything else. */
export function parseNamedObject(text: string): NamedObject {
  const [spelt = "", name = "", ...rest] = text.split("/");
  if (spelt === "" || !/^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/.test(name) || rest.length > 0)
    throw new Error(`'${text}' does not name an object: write KIND/NAME, such as gitrepo/web`);
  const kind = Object.values(kinds).find((identity) => spellings(identity).includes(spelt.toLowerCase()));
  if (kind === undefined)
    throw new Error(`'${spelt}' is none of Sluice's kinds, which are ${Object.keys(kinds).join(", ")}`);
  return { kind, name };
}

function spellings({ kind, plural }: KindIdentity): string[] {
  const shortNames = definitions.find((definition) => definition.kind === kind)?.shortNames ?? [];
  return [kind.toLowerCase(), plural, ...shortNames];
}
