import type { NotificationEvent } from "../event.ts";

/** What a type reads of its Provider: the spec with what the Secret overrides. */
export type ProviderSettings = {
  address: string;
  channel: string;
  username: string;
  /** The Secret's `token`, byte for byte (PR-005); undefined where there is none. */
  token: Buffer | undefined;
  password: string;
  /** The Secret's `headers`. */
  headers: Record<string, string>;
};

/** One POST: what is sent, and what counts as its success besides a status of 200 to 299. */
export type ProviderRequest = {
  url: string;
  headers: Record<string, string>;
  body: string;
  /** What is wrong with an answer, or undefined where it says yes; in place of the rule on the status. */
  refusal?(answer: { status: number; body: string }): string | undefined;
};

/** How one type of Provider tells of an event (notifications.md, section 7). One file a type. Throws ProviderInvalid. */
export type ProviderType = (settings: ProviderSettings, event: NotificationEvent) => ProviderRequest;

/** The Provider cannot be used as it is: trying again does not help. */
export class ProviderInvalid extends Error {
  constructor(message: string) {
    super(message);
    this.name = "ProviderInvalid";
  }
}

/** An address as an absolute URL that can be posted to. `what` begins the error, as Flux words it for the type. */
export function postableUrl(address: string, what: string): URL {
  const url = URL.canParse(address) ? new URL(address) : undefined;
  if (url === undefined || (url.protocol !== "http:" && url.protocol !== "https:"))
    throw new ProviderInvalid(`invalid ${what} URL: it must be an absolute http or https URL`);
  return url;
}

/** `<kind>/<name>.<namespace>`, in which chats name an object. */
export function authorOf({ involvedObject: { kind, name, namespace } }: NotificationEvent): string {
  return `${kind.toLowerCase()}/${name}.${namespace}`;
}

/** Metadata in order of its keys (HC-006). */
export function sortedMetadata({ metadata = {} }: NotificationEvent): [string, string][] {
  return Object.entries(metadata).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
}

/** SV-016: a message no longer than a service takes, with a mark where it was cut. */
export function shorten(message: string, characters: number): string {
  return message.length <= characters ? message : `${message.slice(0, characters - 2)} …`;
}
