import { sourceKinds } from "../../lib/reconcilers/source-kinds.ts";
import { workHandler } from "../work.ts";

/** Source work: fetches what changed into the artifact store. */
export const handler = workHandler(sourceKinds);
