import type { Branch, Documents, Format } from "../tree.ts";

/** How a format is read and written. */
export type Store = {
  /** Reads a file, encrypted or not. Throws where it is not of the format, without showing what it holds. */
  parse(content: Uint8Array): Documents;
  /** Writes a file. Throws where the format has no form for what there is. */
  emit(documents: Documents): Uint8Array;
  /** Where SOPS's metadata is: a tree at the key `sops`, flat keys beneath it, or flat keys that begin with `sops_`. */
  metadata: "nested" | "below" | "prefixed";
};

/** The store of a format. */
export async function storeOf(format: Format): Promise<Store> {
  switch (format) {
    case "binary":
      return (await import("./binary.ts")).binaryStore;
    case "dotenv":
      return (await import("./dotenv.ts")).dotenvStore;
    case "ini":
      return (await import("./ini.ts")).iniStore;
    case "json":
      return (await import("./json.ts")).jsonStore;
    case "yaml":
      return (await import("./yaml.ts")).yamlStore;
  }
}

/** A branch without entries. */
export const emptyBranch: Branch = { items: [] };
