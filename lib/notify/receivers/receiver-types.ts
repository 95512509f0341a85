import { generic } from "./generic.ts";
import { genericHmac } from "./generic-hmac.ts";
import { github } from "./github.ts";
import { HookRefused, type HookRequest, type ReceiverType } from "./receiver-type.ts";

/** The types of this release by the name in `spec.type` (RC-001). A new type is one file and one line here. */
export const receiverTypes: ReadonlyMap<string, ReceiverType> = new Map([
  ["generic", generic],
  ["generic-hmac", genericHmac],
  ["github", github],
]);

/** Every header that some type reads. */
export const receiverHeaders: ReadonlySet<string> = new Set(
  [...receiverTypes.values()].flatMap(({ headers }) => headers),
);

/** Verifies a request by a Receiver's type, token and `spec.events` (RH-001, RH-007). Throws HookRefused. */
export function verifyRequest(
  request: HookRequest,
  { type, events = [] }: { type: string; events?: readonly string[] },
  token: Uint8Array,
): void {
  const receiverType = receiverTypes.get(type);
  if (receiverType === undefined) throw new HookRefused(`receivers of type ${type} are not supported`);
  if (receiverType.tokenProves && token.length === 0) throw new HookRefused("the token is empty");
  receiverType.verify(request, token);
  if (receiverType.event === undefined || events.length === 0) return;
  const event = receiverType.event(request).toLowerCase();
  if (!events.some((accepted) => accepted.toLowerCase() === event))
    throw new HookRefused(`the event ${JSON.stringify(event.slice(0, 100))} is not among spec.events`);
}

/** What a request that was verified says was pushed; undefined where its type does not say, or it tells of something else. */
export function pushedBy(request: HookRequest, type: string): ReturnType<NonNullable<ReceiverType["pushed"]>> {
  return receiverTypes.get(type)?.pushed?.(request);
}
