import type { GitSource } from "../../git/git-source.ts";
import type { Json } from "../../platform/ports.ts";

/**
 * A source, and who asks for it: the server, and what proves to it who asks, in a form that stays the same from look to look, as
 * tokens and signatures do not. Secret; two objects may share what a server answers only where this is equal (SB-002).
 */
export type AskedSource = GitSource & { asker: Json };
