/** Looks a variable up: its value, which may be empty, or undefined where there is none by that name. */
export type Lookup = (name: string) => string | undefined;

export function substituteVariables(text: string, _lookup: Lookup): string {
  return text;
}
