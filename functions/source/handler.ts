import { sourceKinds } from "../../lib/reconcilers/source-kinds.ts";
import { workHandler } from "../work.ts";

/** Source work: fetches what changed into the artifact store. The function's own role reads every tenant's artifacts: no source is fetched as it. */
export const handler = workHandler(sourceKinds, "sources");
