import { AsyncLocalStorage } from "node:async_hooks";

/**
 * What a pass has read of Secrets. A server may repeat what it was asked with, in whatever it answers: the words of servers go into
 * conditions, events and notifications, which more people read than Secrets (SEC-012).
 */
const passes = new AsyncLocalStorage<Set<string>>();

/** Shorter values are part of too many words, and none to go by. Characters. */
const shortest = 8;
/** Lines of a key that stand for it, and how many of a Secret are looked at. */
const lines = { shortest: 24, most: 1000 };
/** Keys whose values are no secret; certificates and public keys are shown to everybody. */
const open =
  /^(?:username|address|accesskey|known_hosts|caFile|certFile|clientId|tenantId|authorityHost|githubApp(?!PrivateKey).*)$|\.(?:crt|pub|pem|asc|cert)$/;
/** Fields of the JSON of Docker and Google that are none either. */
const openFields =
  /^(?:username|email|type|universe_domain|client_email|client_id|project_id|private_key_id|.*_u(?:ri|rl))$/;

/** Does the work of a pass, which remembers what it reads of Secrets. */
export function keepingSecrets<T>(work: () => Promise<T>): Promise<T> {
  return passes.run(new Set<string>(), work);
}

/** A text without what the pass has read of Secrets so far. */
export function hideSecrets(text: string): string {
  return hidden(text, passes.getStore() ?? new Set());
}

/** Remembers the values of a Secret for the pass that reads it. */
export function rememberSecret(data: ReadonlyMap<string, Buffer>): void {
  const secrets = passes.getStore();
  if (secrets === undefined) return;
  const user = data.get("username")?.toString("utf8") ?? "";
  for (const [key, value] of data) {
    if (key === "address") rememberUrl(value.toString("utf8"));
    if (open.test(key)) continue;
    const text = value.toString("utf8").trim();
    for (const one of secretsIn(text)) add(secrets, one, user);
  }
}

/** Remembers the user information of an address, and what its query has of length: a signature, or a token. */
export function rememberUrl(text: string): void {
  const secrets = passes.getStore();
  const url = URL.parse(text);
  if (secrets === undefined || url === null) return;
  if (url.password !== "") {
    add(secrets, url.password, url.username);
    add(secrets, decoded(url.password), decoded(url.username));
  }
  for (const [, value] of url.searchParams) if (value.length >= 16) add(secrets, value, "");
}

/** Remembers short-lived credentials. */
export function rememberTokens(value: Readonly<Record<string, unknown>>): void {
  const secrets = passes.getStore();
  if (secrets === undefined) return;
  const user = typeof value.username === "string" ? value.username : "";
  for (const [key, text] of Object.entries(value))
    if (typeof text === "string" && !/^(?:username|accessKeyId|expiresAt)$/.test(key)) add(secrets, text, user);
}

/** The values that a text is or holds: the lines of a key, the fields of JSON. */
function secretsIn(text: string): string[] {
  if (text.startsWith("{")) {
    const found: string[] = [];
    const visit = (value: unknown, depth: number): void => {
      if (typeof value === "string") found.push(...linesIn(value));
      if (typeof value !== "object" || value === null || depth > 5) return;
      for (const [field, below] of Object.entries(value)) if (!openFields.test(field)) visit(below, depth + 1);
    };
    try {
      visit(JSON.parse(text), 0);
      return found.slice(0, lines.most);
    } catch {
      // It is one value, whatever it looks like.
    }
  }
  return linesIn(text);
}

function linesIn(text: string): string[] {
  if (!text.includes("\n")) return [text];
  const long = text.split(/\r?\n/, lines.most).map((line) => line.trim());
  return long.filter((line) => line.length >= lines.shortest && !line.startsWith("-----"));
}

function add(secrets: Set<string>, secret: string, user: string): void {
  if (secret.length < shortest) return;
  const base64 = (value: string) => Buffer.from(value).toString("base64").replace(/=+$/, "");
  secrets.add(secret);
  secrets.add(encodeURIComponent(secret));
  secrets.add(base64(secret));
  secrets.add(base64(`${user}:${secret}`));
}

/** A token that says of itself what it is (RFC 7519), and what follows a scheme (RFC 9110, 11.4): they may be made for one request. */
const tokens: [pattern: RegExp, told: string][] = [
  [/\beyJ[\w-]{10,}\.[\w-]{10,}(?:\.[\w-]*)?/g, "*****"],
  [/\b(Basic|Bearer) [\w+/=.~-]{16,}/g, "$1 *****"],
];

/** The longest first. What was cut off within a secret is known by how it begins. */
function hidden(message: string, secrets: ReadonlySet<string>): string {
  const text = tokens.reduce((told, [pattern, instead]) => told.replace(pattern, instead), message);
  const all = [...secrets].sort((a, b) => b.length - a.length);
  const beginnings = all.filter(({ length }) => length > 24).map((secret) => secret.slice(0, 16));
  return [...all, ...beginnings].reduce((told, secret) => told.replaceAll(secret, "*****"), text);
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
