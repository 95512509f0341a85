/** What is wrong with a name of an object, in the words of Kubernetes' own validation; empty where nothing is. */
export function subdomainProblems(name: string): string[] {
  const label = "[a-z0-9]([-a-z0-9]*[a-z0-9])?";
  return [
    ...tooLong(name, 253),
    ...mismatch(
      name,
      `${label}(\\.${label})*`,
      "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character",
      ["example.com"],
    ),
  ];
}

const labelName = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]";
const labelWords =
  "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character";

/** What is wrong with a label's key that has no prefix. */
export function labelKeyProblems(key: string): string[] {
  const problems = [...tooLong(key, 63), ...mismatch(key, labelName, labelWords, ["MyName", "my.name", "123-abc"])];
  return problems.map((problem) => `name part ${problem}`);
}

/** What is wrong with a label's value. */
export function labelValueProblems(value: string): string[] {
  const words = `a valid label must be an empty string or ${labelWords.replace(/^must /, "")}`;
  return [...tooLong(value, 63), ...mismatch(value, `(${labelName})?`, words, ["MyValue", "my_value", "12345"])];
}

function tooLong(text: string, limit: number): string[] {
  return Buffer.byteLength(text) > limit ? [`must be no more than ${limit} bytes`] : [];
}

function mismatch(text: string, pattern: string, words: string, examples: readonly string[]): string[] {
  if (new RegExp(`^${pattern}$`).test(text) && !text.includes("\n")) return [];
  const such = examples.map((example) => `'${example}'`).join(",  or ");
  return [`${words} (e.g. ${such}, regex used for validation is '${pattern}')`];
}
