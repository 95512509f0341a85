/** A label selector, ready to be asked about the labels of an object. */
export type LabelSelector = (labels: Readonly<Record<string, string>>) => boolean;

type Operator = "=" | "==" | "!=" | "in" | "notin" | ">" | "<" | "exists" | "!";
type Requirement = { key: string; operator: Operator; values: string[] };
type Token = { type: "end" | "identifier" | "error" | ")" | "(" | "," | "!" | Operator; text: string };

/** Longest selector that is read, in characters. */
const longest = 16 * 1024;

/**
 * Reads a selector in Kubernetes' syntax (`a=b,c in (d,e),!f`), as apimachinery's `labels.Parse` does; an empty one selects
 * everything. Throws an Error with apimachinery's text.
 */
export function parseLabelSelector(selector: string): LabelSelector {
  if (selector.length > longest) throw new Error(`a selector of ${selector.length} characters is too long`);
  const requirements = parseRequirements(selector);
  return (labels) => requirements.every((requirement) => matches(requirement, labels));
}

/** A selector as objects of Kubernetes' API hold it (metav1.LabelSelector); without requirements it selects everything. */
export type ObjectSelector = { matchExpressions: MatchExpression[] };
export type MatchExpression = {
  key: string;
  operator: "In" | "NotIn" | "Exists" | "DoesNotExist";
  values?: string[];
};

/**
 * The same selection for the API, which has no `>` and no `<`: those select every object that has the label, and whoever is told of
 * one asks `parseLabelSelector` too. Throws as that does.
 */
export function parseObjectSelector(selector: string): ObjectSelector {
  parseLabelSelector(selector);
  return { matchExpressions: parseRequirements(selector).map(expressionOf) };
}

function expressionOf({ key, operator, values }: Requirement): MatchExpression {
  switch (operator) {
    case "exists":
    case ">":
    case "<":
      return { key, operator: "Exists" };
    case "!":
      return { key, operator: "DoesNotExist" };
    case "!=":
    case "notin":
      return { key, operator: "NotIn", values };
    default:
      return { key, operator: "In", values };
  }
}

function matches({ key, operator, values }: Requirement, labels: Readonly<Record<string, string>>): boolean {
  const value = Object.hasOwn(labels, key) ? labels[key] : undefined;
  const [bound = ""] = values;
  switch (operator) {
    case "exists":
      return value !== undefined;
    case "!":
      return value === undefined;
    case "!=":
    case "notin":
      return value === undefined || !values.includes(value);
    case ">":
    case "<":
      if (value === undefined || !isInteger(value)) return false;
      return operator === ">" ? BigInt(value) > BigInt(bound) : BigInt(value) < BigInt(bound);
    default:
      return value !== undefined && values.includes(value);
  }
}

function parseRequirements(selector: string): Requirement[] {
  const tokens = tokenise(selector);
  const requirements: Requirement[] = [];
  let position = 0;
  const end: Token = { type: "end", text: "" };
  const peek = () => asValue(tokens[position] ?? end);
  const next = () => asValue(tokens[position++] ?? end);
  const expected = (found: Token, what: string) => new Error(`found '${found.text}', expected: ${what}`);

  const parseRequirement = (): Requirement => {
    let token = next();
    const isAbsence = token.type === "!";
    if (isAbsence) token = next();
    if (token.type !== "identifier") throw expected(token, "identifier");
    const key = token.text;
    refuseInvalid(key, faultsOfKey(key));
    if (peek().type === "end" || peek().type === ",") return { key, operator: isAbsence ? "!" : "exists", values: [] };
    const operator = tokens[position++] ?? end;
    if (!isBinary(operator.type)) throw expected(operator, "in, notin, =, ==, !=, gt, lt");
    const isSet = operator.type === "in" || operator.type === "notin";
    const values = isSet ? parseValues() : [parseExactValue()];
    for (const value of values) {
      if (operator.type === ">" || operator.type === "<") {
        const fault = "for 'Gt', 'Lt' operators, the value must be an integer";
        refuseInvalid(value, isInteger(value) ? [] : [fault], "values[0]");
      }
      refuseInvalid(value, faultsOfValue(value), `values[${values.indexOf(value)}][${key}]`);
    }
    return { key, operator: operator.type, values };
  };

  const parseExactValue = (): string => {
    if (peek().type === "end" || peek().type === ",") return "";
    const token = next();
    if (token.type !== "identifier") throw expected(token, "identifier");
    return token.text;
  };

  const parseValues = (): string[] => {
    const opening = next();
    if (opening.type !== "(") throw new Error(`found '${opening.text}' expected: '('`);
    const values = new Set<string>();
    for (let isValueNext = true; ; ) {
      const token = next();
      if (token.type === "identifier" && isValueNext) values.add(token.text);
      else if (token.type === "," || token.type === ")") {
        // Nothing between two commas is the empty value.
        if (isValueNext) values.add("");
        if (token.type === ")") return [...values].sort();
      } else throw expected(token, isValueNext ? "',', or identifier" : "',' or ')'");
      isValueNext = token.type === ",";
    }
  };

  for (;;) {
    const token = peek();
    if (token.type === "end") return requirements;
    if (token.type !== "identifier" && token.type !== "!") throw expected(token, "!, identifier, or 'end of string'");
    try {
      requirements.push(parseRequirement());
    } catch (error) {
      throw new Error(`unable to parse requirement: ${error instanceof Error ? error.message : error}`);
    }
    const after = next();
    if (after.type === "end") return requirements;
    if (after.type !== ",") throw expected(after, "',' or 'end of string'");
    const following = peek();
    if (following.type !== "identifier" && following.type !== "!") throw expected(following, "identifier after ','");
  }
}

/** `in` and `notin` are names too, wherever no operator is asked for. */
function asValue(token: Token): Token {
  return token.type === "in" || token.type === "notin" ? { ...token, type: "identifier" } : token;
}

function isBinary(type: Token["type"]): type is Exclude<Operator, "exists" | "!"> {
  return ["in", "notin", "=", "==", "!=", ">", "<"].includes(type);
}

function tokenise(selector: string): Token[] {
  const symbols = /[ \t\r\n]*(?:(==|!=|[=!(),<>])|([^ \t\r\n=!(),<>]+))/gy;
  return [...selector.matchAll(symbols)].map(([, symbol, word = ""]): Token => {
    if (symbol !== undefined) return { type: isSymbol(symbol) ? symbol : "error", text: symbol };
    return { type: word === "in" || word === "notin" ? word : "identifier", text: word };
  });
}

function isSymbol(text: string): text is ")" | "(" | "," | "!" | "=" | "==" | "!=" | ">" | "<" {
  return [")", "(", ",", "!", "=", "==", "!=", ">", "<"].includes(text);
}

function isInteger(text: string): boolean {
  return /^[+-]?\d{1,19}$/.test(text);
}

const named =
  "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character";
const pattern = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]";
const name = new RegExp(`^${pattern}$`);
const subdomain = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;

function faultsOfKey(key: string): string[] {
  const parts = key.split("/");
  const [prefix = "", own] = parts.length === 1 ? [undefined, key] : parts;
  if (parts.length > 2) {
    return [
      `a valid label key ${named} (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '${pattern}') with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')`,
    ];
  }
  const faults: string[] = [];
  if (parts.length === 2 && prefix === "") faults.push("prefix part must be non-empty");
  else if (parts.length === 2 && !subdomain.test(prefix))
    faults.push(
      "prefix part a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
    );
  else if (prefix.length > 253) faults.push("prefix part must be no more than 253 bytes");
  if (own === undefined || own === "") return [...faults, "name part must be non-empty"];
  if (own.length > 63) faults.push("name part must be no more than 63 bytes");
  if (!name.test(own)) {
    faults.push(
      `name part ${named} (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '${pattern}')`,
    );
  }
  return faults;
}

function faultsOfValue(value: string): string[] {
  const faults: string[] = [];
  if (value.length > 63) faults.push("must be no more than 63 bytes");
  if (value !== "" && !name.test(value)) {
    faults.push(
      `a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(${pattern})?')`,
    );
  }
  return faults;
}

function refuseInvalid(value: string, faults: string[], path = "<nil>"): void {
  if (faults.length > 0) throw new Error(`${path}: Invalid value: ${JSON.stringify(value)}: ${faults.join("; ")}`);
}
