import { messageOf } from "../text/error-message.ts";
import { VerificationError } from "./verification-error.ts";

/** Who may have signed: regular expressions in the syntax of RE2 (VER-008). */
export type Identity = { issuer: string; subject: string };

/** Of one expression, and of the list. */
const limits = { identities: 100, characters: 1_000, steps: 5_000 };

/**
 * Throws where an identity of a certificate matches none of the list: one pair whose expressions both find something suffices, and an
 * empty list takes anybody (VER-008). Throws VerificationError at once for an expression that is none. The engine, whose time is linear
 * in the text, is loaded for lists that have an entry.
 */
export async function identityMatcher(
  identities: readonly Identity[],
): Promise<(issuer: string, subject: string) => void> {
  if (identities.length === 0) return () => undefined;
  if (identities.length > limits.identities)
    throw new VerificationError(`there are more than ${limits.identities} identities`);
  const { RE2JS } = await import("re2js");
  const compile = (expression: string, what: string) => {
    const told = expression.slice(0, 200);
    if (expression.length > limits.characters)
      throw new VerificationError(
        `malformed ${what} in identity: ${told}: it is longer than ${limits.characters} characters`,
      );
    try {
      const pattern = RE2JS.compile(expression);
      if (pattern.programSize() > limits.steps) throw new Error("the expression is too large");
      return (text: string) => pattern.matcher(text).find();
    } catch (error) {
      const words = messageOf(error);
      throw new VerificationError(`malformed ${what} in identity: ${told} : ${words}`, { cause: error });
    }
  };
  const matchers = identities.map(({ issuer, subject }) => ({
    issuer: compile(issuer, "issuer"),
    subject: compile(subject, "subject"),
  }));
  return (issuer, subject) => {
    if (matchers.some((one) => one.issuer(issuer) && one.subject(subject))) return;
    const told = (text: string) => text.replaceAll(/\p{Cc}+/gu, " ").slice(0, 500);
    throw new VerificationError(
      `none of the expected identities matched what was in the certificate, got subjects [${told(subject)}] with issuer ${told(issuer)}`,
    );
  };
}
