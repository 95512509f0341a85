import { type Exchange, type ServiceAnswer, serviceExchange } from "../../platform/exchange.ts";
import { isFields } from "../../text/fields.ts";

/** How key services reach the clouds. Tests put other parts in the place of the clouds; a deployment needs none of it. */
export type ServiceConnection = { exchange?: Exchange };

/** The time that one decryption may take with all its requests and attempts, in seconds. */
const decryptionSeconds = 30;

/** A signal that ends with the caller's, and with the time that a decryption has. */
export function bounded(signal: AbortSignal | undefined): AbortSignal {
  const patience = AbortSignal.timeout(decryptionSeconds * 1000);
  return signal === undefined ? patience : AbortSignal.any([signal, patience]);
}

/**
 * Options with an exchange, which keeps its connections for all that they are options of. Answers of 400 that AWS means to be tried
 * again are.
 */
export function connected<Options extends ServiceConnection>(options: Options): Options & { exchange: Exchange } {
  return { ...options, exchange: options.exchange ?? serviceExchange({ again: isThrottled }) };
}

function isThrottled({ status, body }: ServiceAnswer): boolean {
  return status === 400 && /"(__type|Code)":\s*"[^"]*(Throttl|TooManyRequests|RequestLimitExceeded)/.test(body);
}

/** A JSON object, as services answer. */
export type Fields = { readonly [field: string]: unknown };

/** The JSON object that an answer holds; empty where it holds none. */
export function fieldsOf({ body }: ServiceAnswer): Fields {
  try {
    const value: unknown = JSON.parse(body);
    return isFields(value) ? value : {};
  } catch {
    return {};
  }
}

/** An object within an object; empty where there is none. */
export function within(fields: Fields, ...path: string[]): Fields {
  return path.reduce<Fields>((at, name) => {
    const next = at[name];
    return isFields(next) ? next : {};
  }, fields);
}

/** A field that must be a text that is not empty, cut to what a status has room for. */
export function textOf(fields: Fields, name: string, most = 64 * 1024): string | undefined {
  const value = fields[name];
  return typeof value === "string" && value !== "" ? value.slice(0, most) : undefined;
}

/** What a service says of its refusal, for a message: the first line of its text, at most 500 characters of it. */
export function complaint(fields: Fields, name: string): string {
  return textOf(fields, name, 500)?.split("\n")[0]?.trimEnd() ?? "";
}

/** A form as OAuth 2.0 and AWS's query protocol send it. */
export function form(fields: Readonly<Record<string, string>>): { headers: Record<string, string>; body: string } {
  return {
    headers: { "content-type": "application/x-www-form-urlencoded", accept: "application/json" },
    body: new URLSearchParams(fields).toString(),
  };
}

/** The bytes that base64 or base64url stands for. Throws where it has other characters. */
export function base64Bytes(text: string, alphabet: "base64" | "base64url", what: string): Uint8Array {
  const pattern = alphabet === "base64" ? /^[A-Za-z0-9+/]*={0,2}$/ : /^[A-Za-z0-9_-]*$/;
  const packed = alphabet === "base64" ? text.replace(/[\r\n]/g, "") : text;
  if (!pattern.test(packed)) throw new Error(`${what} is not ${alphabet}`);
  return Buffer.from(packed, alphabet);
}

/**
 * Asks once for what several decryptions need: a token, by the name it is kept under. A failure is not kept. The asking ends with
 * the signal of whoever asked first.
 */
export function askedOnce<T>(): (name: string, ask: () => Promise<T>) => Promise<T> {
  const asked = new Map<string, Promise<T>>();
  return (name, ask) => {
    const known = asked.get(name);
    if (known !== undefined) return known;
    const asking = ask();
    asked.set(name, asking);
    asking.catch(() => asked.delete(name));
    return asking;
  };
}
