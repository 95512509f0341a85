/** A request to the path of a Receiver, as it came: header names in lower case, the body as raw bytes (SV-010). */
export type HookRequest = { path: string; headers: Record<string, string>; body: Uint8Array };

/** How one type of Receiver knows its senders (notifications.md, section 10). One file a type. */
export type ReceiverType = {
  /** Whether the token proves who sends: an empty one would then let everybody in (QK-008). */
  tokenProves: boolean;
  /** The headers that are read. A request that has to wait is kept with these alone, so none of them may carry a secret. */
  headers: readonly string[];
  /** Returns if the sender holds the token. Throws HookRefused. */
  verify(request: HookRequest, token: Uint8Array): void;
  /** The name of the event that `spec.events` is compared with (RH-007). Types without it ignore `spec.events`. */
  event?(request: HookRequest): string;
  /** What a request that was verified says of a push to a repository; undefined where it tells of something else. */
  pushed?(request: HookRequest): { reference: string; commit: string } | undefined;
};

/** The request is not what the Receiver accepts. The message is for the log: the sender learns nothing but 400 (RH-002). */
export class HookRefused extends Error {
  constructor(message: string) {
    super(message);
    this.name = "HookRefused";
  }
}
