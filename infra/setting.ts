/** A setting that is not valid, by its path in the file and with what would be. */
export class ConfigError extends Error {
  constructor(path: string, problem: string) {
    super(`${path}: ${problem}`);
    this.name = "ConfigError";
  }
}

/** A list of ARNs of one kind. Throws ConfigError, as all of these do. */
export function arns(value: unknown, path: string, pattern: RegExp, what: string): string[] {
  if (!Array.isArray(value)) throw new ConfigError(path, "must be a list");
  return value.map((arn, index) => matching(arn, `${path}[${index}]`, pattern, what));
}

/** A text of a form, which `what` names. */
export function matching(value: unknown, path: string, pattern: RegExp, what: string): string {
  if (typeof value !== "string" || !pattern.test(value)) throw new ConfigError(path, `must be ${what}`);
  return value;
}

/** A list of ids of AWS, of one at least. */
export function ids(value: unknown, path: string, prefix: string): string[] {
  if (!Array.isArray(value) || value.length === 0) throw new ConfigError(path, "must be a list, and not an empty one");
  const pattern = new RegExp(`^${prefix}-([0-9a-f]{8}|[0-9a-f]{17})$`);
  return value.map((id, index) => matching(id, `${path}[${index}]`, pattern, `an id such as ${prefix}-0a1b2c3d`));
}

/** A whole number within bounds. */
export function number(value: unknown, path: string, least: number, most: number): number {
  if (typeof value !== "number" || !Number.isInteger(value) || value < least || value > most)
    throw new ConfigError(path, `must be a whole number from ${least} to ${most}`);
  return value;
}

/** Whole numbers by known names, each of which may be absent. */
export function numbers<Key extends string>(
  value: unknown,
  path: string,
  keys: readonly Key[],
  least: number,
  most: number,
): Partial<Record<Key, number>> {
  const entries = Object.entries(object(value, path)).map(([key, entry]) => {
    if (!keys.some((known) => known === key))
      throw new ConfigError(`${path}.${key}`, `must be one of ${keys.join(", ")}`);
    return [key, number(entry, `${path}.${key}`, least, most)] as const;
  });
  return Object.fromEntries(entries) as Partial<Record<Key, number>>;
}

/** A JSON object. */
export function object(value: unknown, path: string): Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw new ConfigError(path, "must be a JSON object");
  return { ...value };
}
