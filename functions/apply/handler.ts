import { applyKinds } from "../../lib/reconcilers/apply-kinds.ts";
import { workHandler } from "../work.ts";

/** Apply work: renders artifacts and brings clusters to that state. */
export const handler = workHandler(applyKinds, "function");
