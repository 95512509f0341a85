import type { Stage } from "./compare.ts";
import type { World } from "./world.ts";

/** What is compared: a title, which names the namespace too, and what is done to both sides. `needsWatcher`: by source-watcher too. */
export type Case = { name: string; needsWatcher?: boolean; play(stage: Stage, world: World): Promise<void> };
