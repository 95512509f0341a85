import type { Pack } from "./pack.ts";
import type { ObjectSource } from "./worktree.ts";

/** The packs of one checkout as one: objects are named by their content, so that it does not matter which of them holds one. */
export type ObjectSet = ObjectSource & {
  /** Takes a pack over; it is closed with the set. */
  add(pack: Pack): void;
  close(): void;
};

/** An empty set. */
export function objectSet(): ObjectSet {
  const packs: Pack[] = [];
  const holder = (id: string): Pack | undefined => packs.find((pack) => pack.stat(id) !== undefined);
  return {
    add: (pack) => {
      // What was kept unpacked of the others would add up.
      for (const other of packs) other.shrink();
      packs.push(pack);
    },
    read: (id) => holder(id)?.read(id),
    stat: (id) => holder(id)?.stat(id),
    stream: (id) => holder(id)?.stream(id),
    close: () => {
      for (const pack of packs) pack.close();
    },
  };
}
