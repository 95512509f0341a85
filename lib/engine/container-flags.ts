/**
 * The flags of a container's args as pflag reads them, each with its values in order: `--flag=value`, `--flag value`, or `--flag` for `true`.
 */
export function parseFlags(args: readonly string[]): Map<string, string[]> {
  const flags = new Map<string, string[]>();
  for (let index = 0; index < args.length; index++) {
    const match = /^--?([a-z0-9-]+)(?:=(.*))?$/s.exec(args[index] ?? "");
    if (match?.[1] === undefined) continue;
    const next = args[index + 1];
    const value = match[2] ?? (next !== undefined && !next.startsWith("-") ? next : "true");
    flags.set(match[1], [...(flags.get(match[1]) ?? []), value]);
  }
  return flags;
}

/** All values of a flag that may be given more than once, and each time with several values between commas. */
export function listOf(flags: ReadonlyMap<string, readonly string[]>, name: string): string[] {
  return (flags.get(name) ?? []).flatMap((value) => value.split(",")).filter((value) => value !== "");
}
