/**
 * Refuses what a command does not take: citty leaves a flag out that it does not know, so that a misspelt one would do something else than was
 * asked for. Throws a sentence that names it.
 */
export function requireKnownFlags(given: Record<string, unknown>, known: object): void {
  for (const name of Object.keys(given)) {
    const flag = name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
    if (name !== "_" && !Object.hasOwn(known, flag)) throw new Error(`there is no flag --${name}: --help lists them`);
  }
  const [argument] = Array.isArray(given._) ? given._ : [];
  if (argument !== undefined) throw new Error(`'${argument}' belongs to no flag: --help lists them`);
}
