import { type DistinguishedName, isWithin, parseDistinguishedName } from "./distinguished-name.ts";
import { asObject } from "./signature-bytes.ts";
import { VerificationError } from "./verification-error.ts";

/** What is checked of a signature, in this order. */
export const checks = ["integrity", "authenticity", "authenticTimestamp", "expiry", "revocation"] as const;
export type Check = (typeof checks)[number];
/** What becomes of a check that fails. */
export type Action = "enforce" | "log" | "skip";

/** A statement of a trust policy of the Notary Project. */
export type TrustStatement = {
  name: string;
  /** `strict`, `permissive`, `audit`, `skip`, or `custom` where one of them was overridden. */
  level: string;
  actions: Readonly<Record<Check, Action>>;
  verifyTimestamp: "always" | "afterCertExpiry";
  trustStores: readonly string[];
  /** Undefined for the wildcard. */
  identities: readonly DistinguishedName[] | undefined;
  scopes: readonly string[];
};

const actionNames: readonly Action[] = ["enforce", "log", "skip"];
const levels: Readonly<Record<string, Readonly<Record<Check, Action>>>> = {
  strict: level("enforce", "enforce", "enforce"),
  permissive: level("enforce", "enforce", "log"),
  audit: level("enforce", "log", "log"),
  skip: level("skip", "skip", "skip"),
};
const storeTypes = ["ca", "signingAuthority", "tsa"];
const limits = { statements: 100, entries: 1_000, scope: 500 };

function level(integrity: Action, authenticity: Action, others: Action): Readonly<Record<Check, Action>> {
  return { integrity, authenticity, authenticTimestamp: others, expiry: others, revocation: others };
}

/**
 * Reads a trust policy document, version 1.0 (Notary Project, trust store and trust policy specification; VER-012, VER-016). Trust
 * stores and identities of statements that skip are ignored, and told by `ignored` (VER-014). Throws VerificationError in the words of
 * notation; a text that is no such document is told as `error occurred while parsing trustpolicy.json`.
 */
export function parseTrustPolicy(text: Buffer, ignored: (words: string) => void): TrustStatement[] {
  const document = parsed(text);
  const { version, trustPolicies } = document;
  if (version === undefined || version === "")
    throw new VerificationError("trust policy document has empty version, version must be specified");
  if (version !== "1.0")
    throw new VerificationError(`trust policy document uses unsupported version ${quoted(version)}`);
  const statements = listOf(trustPolicies, "trustPolicies", limits.statements);
  if (statements.length === 0)
    throw new VerificationError("trust policy document can not have zero trust policy statements");
  const names = new Set<string>();
  const read = statements.map((statement) => {
    const one = readStatement(statement, ignored);
    if (names.has(one.name))
      throw new VerificationError(
        `multiple trust policy statements use the same name ${quoted(one.name)}, statement names must be unique`,
      );
    names.add(one.name);
    return one;
  });
  checkScopes(read);
  return read;
}

/** The statement that applies to a repository, `host/path`: the one that names it, or the one for all. Throws VerificationError. */
export function applicableStatement(statements: readonly TrustStatement[], repository: string): TrustStatement {
  const found =
    statements.find(({ scopes }) => scopes.includes(repository)) ??
    statements.find(({ scopes }) => scopes.includes("*"));
  if (found !== undefined) return found;
  throw new VerificationError(
    `artifact ${quoted(repository)} has no applicable trust policy statement. Trust policy applicability for a given artifact is determined by registryScopes`,
  );
}

function parsed(text: Buffer): { readonly [name: string]: unknown } {
  let value: unknown;
  try {
    value = JSON.parse(text.toString("utf8"));
  } catch {
    throw malformed("it is not JSON");
  }
  return asObject(value) ?? fail("it is not a JSON object");
}

function readStatement(value: unknown, ignored: (words: string) => void): TrustStatement {
  const statement = asObject(value) ?? fail("a statement is not an object");
  const name = textOf(statement.name, "name");
  if (name === "")
    throw new VerificationError("a trust policy statement is missing a name, every statement requires a name");
  const verification =
    asObject(statement.signatureVerification ?? {}) ?? fail("signatureVerification is not an object");
  const told = `trust policy statement ${quoted(name)}`;
  const { level: chosen, actions } = readLevel(verification, told);
  const stamp = textOf(verification.verifyTimestamp, "verifyTimestamp");
  if (!["", "always", "afterCertExpiry"].includes(stamp))
    throw new VerificationError(
      `${told} has invalid signatureVerification: verifyTimestamp must be "always" or "afterCertExpiry", but got ${quoted(stamp)}`,
    );
  let stores = textsOf(statement.trustStores, "trustStores");
  let identities = textsOf(statement.trustedIdentities, "trustedIdentities");
  if (chosen === "skip") {
    if (stores.length > 0 || identities.length > 0)
      ignored(
        `warning: trust policy statement '${name}' is set to skip signature verification but configured with trust stores and/or trusted identities. Ignoring trust stores and trusted identities`,
      );
    stores = [];
    identities = [];
  } else if (stores.length === 0 || identities.length === 0)
    throw new VerificationError(`${told} is either missing trust stores or trusted identities, both must be specified`);
  for (const store of stores) checkStore(store, told);
  const verifyTimestamp = stamp === "afterCertExpiry" ? "afterCertExpiry" : "always";
  const scopes = textsOf(statement.registryScopes, "registryScopes");
  return {
    name,
    level: chosen,
    actions,
    verifyTimestamp,
    trustStores: stores,
    ...readIdentities(identities, told),
    scopes,
  };
}

function readLevel(
  verification: { readonly [name: string]: unknown },
  told: string,
): Pick<TrustStatement, "level" | "actions"> {
  const invalid = (words: string) => new VerificationError(`${told} has invalid signatureVerification: ${words}`);
  const name = textOf(verification.level, "level");
  if (name === "") throw invalid("signature verification level is empty or missing in the trust policy statement");
  const base = Object.hasOwn(levels, name) ? levels[name] : undefined;
  if (base === undefined) throw invalid(`invalid signature verification level ${quoted(name)}`);
  const overrides = Object.entries(asObject(verification.override ?? {}) ?? fail("override is not an object"));
  if (overrides.length === 0) return { level: name, actions: base };
  if (name === "skip")
    throw invalid(`signature verification level ${quoted(name)} can't be used to customize signature verification`);
  const actions = { ...base };
  for (const [type, wanted] of overrides) {
    const check = checks.find((one) => one === type);
    const action = actionNames.find((one) => one === wanted);
    if (check === undefined)
      throw invalid(
        `verification type ${quoted(type)} in custom signature verification is not supported, supported values are ${quotedList(checks)}`,
      );
    if (action === undefined)
      throw invalid(
        `verification action ${quoted(wanted)} in custom signature verification is not supported, supported values are ${quotedList(actionNames)}`,
      );
    if (check === "integrity")
      throw invalid(`${quoted(check)} verification can not be overridden in custom signature verification`);
    if (check !== "revocation" && action === "skip")
      throw invalid(`${quoted(check)} verification can not be skipped in custom signature verification`);
    actions[check] = action;
  }
  return { level: "custom", actions };
}

function checkStore(store: string, told: string): void {
  const [type, name] = cut(store);
  if (name === undefined)
    throw new VerificationError(
      `${told} has malformed trust store value ${quoted(store)}. The required format is <TrustStoreType>:<TrustStoreName>`,
    );
  if (!storeTypes.includes(type))
    throw new VerificationError(
      `${told} uses an unsupported trust store type ${quoted(type)} in trust store value ${quoted(store)}`,
    );
  if (!/^[a-zA-Z0-9_.-]+$/.test(name))
    throw new VerificationError(
      `${told} uses an unsupported trust store name ${quoted(name)} in trust store value ${quoted(store)}. Named store name needs to follow [a-zA-Z0-9_.-]+ format`,
    );
}

function readIdentities(texts: readonly string[], told: string): Pick<TrustStatement, "identities"> {
  if (texts.includes("*")) {
    if (texts.length > 1)
      throw new VerificationError(
        `${told} uses a wildcard trusted identity '*', a wildcard identity cannot be used in conjunction with other values`,
      );
    return { identities: undefined };
  }
  const names = texts.flatMap((text) => {
    if (text === "") throw new VerificationError(`${told} has an empty trusted identity`);
    const [prefix, value] = cut(text);
    if (value === undefined)
      throw new VerificationError(`${told} has trusted identity ${quoted(text)} missing separator`);
    // Others are for plug-ins, of which there are none.
    if (prefix !== "x509.subject") return [];
    if (value === "")
      throw new VerificationError(`${told} has trusted identity ${quoted(text)} without an identity value`);
    return [parseDistinguishedName(value)];
  });
  if (names.some((one, index) => names.some((other, at) => index !== at && isWithin(one, other))))
    throw new VerificationError(`${told} has overlapping x509 trustedIdentities`);
  return { identities: names };
}

function checkScopes(statements: readonly TrustStatement[]): void {
  const seen = new Set<string>();
  for (const { name, scopes } of statements) {
    if (scopes.length === 0)
      throw new VerificationError(
        `trust policy statement ${quoted(name)} has zero registry scopes, it must specify registry scopes with at least one value`,
      );
    if (scopes.length > 1 && scopes.includes("*"))
      throw new VerificationError(
        `trust policy statement ${quoted(name)} uses wildcard registry scope '*', a wildcard scope cannot be used in conjunction with other scope values`,
      );
    for (const scope of scopes) {
      if (scope !== "*") checkScope(scope);
      if (seen.has(scope))
        throw new VerificationError(
          `registry scope ${quoted(scope)} is present in multiple trust policy statements, one registry scope value can only be associated with one statement`,
        );
      seen.add(scope);
    }
  }
}

function checkScope(scope: string): void {
  const slash = scope.indexOf("/");
  const host = /^[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)*(?::[0-9]+)?$/;
  const component = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*$/;
  const isValid =
    scope.length <= limits.scope &&
    slash > 0 &&
    host.test(scope.slice(0, slash)) &&
    scope
      .slice(slash + 1)
      .split("/")
      .every((part) => component.test(part));
  if (isValid) return;
  const wild = scope.length > 1 && scope.includes("*") ? " with wild card(s)" : "";
  throw new VerificationError(
    `registry scope ${quoted(scope)}${wild} is not valid, make sure it is a fully qualified repository without the scheme, protocol or tag. For example domain.com/my/repository or a local scope like local/myOCILayout`,
  );
}

function cut(text: string): [string, string | undefined] {
  const colon = text.indexOf(":");
  return colon < 0 ? [text, undefined] : [text.slice(0, colon), text.slice(colon + 1)];
}

function textOf(value: unknown, name: string): string {
  if (value === undefined || value === null) return "";
  return typeof value === "string" ? value : fail(`${name} is not a text`);
}

function listOf(value: unknown, name: string, limit: number): unknown[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) return fail(`${name} is not a list`);
  return value.length <= limit ? value : fail(`${name} has more than ${limit} entries`);
}

function textsOf(value: unknown, name: string): string[] {
  return listOf(value, name, limits.entries).map((one) => textOf(one, `an entry of ${name}`));
}

function malformed(words: string): VerificationError {
  return new VerificationError(`error occurred while parsing trustpolicy.json: ${words}`);
}

function fail(words: string): never {
  throw malformed(words);
}

function quoted(value: unknown): string {
  return JSON.stringify(String(value).slice(0, 500));
}

function quotedList(values: readonly string[]): string {
  return `[${values.map(quoted).join(" ")}]`;
}
