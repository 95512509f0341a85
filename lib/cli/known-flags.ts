/**
 * Refuses what a command does not take: citty leaves a flag out that it does not know, so that a misspelt one would do something else than was
 * asked for; the command takes so many `positionals` besides its flags. Throws a sentence that names it.
 */
export function requireKnownFlags(given: Record<string, unknown>, known: object, positionals = 0): void {
  const names = Object.entries(known).flatMap(([name, flag]) => [name, ...aliasesOf(flag)]);
  for (const name of Object.keys(given)) {
    const flag = name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
    if (name !== "_" && !names.includes(flag)) throw new Error(`there is no flag --${name}: --help lists them`);
  }
  const argument = Array.isArray(given._) ? given._[positionals] : undefined;
  if (argument !== undefined) throw new Error(`'${argument}' belongs to no flag: --help lists them`);
}

function aliasesOf(flag: unknown): unknown[] {
  return typeof flag === "object" && flag !== null && "alias" in flag ? [flag.alias].flat() : [];
}
