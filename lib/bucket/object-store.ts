import type { Spool } from "../platform/spool.ts";

/** An object as a listing names it. `size` is in bytes; `generation` is what Google has to tell its versions apart. */
export type ListedObject = { key: string; etag: string; size: number; generation?: string };

/** An object as it was read: what an artifact's revision says of it, and its bytes; a spool, where they are many, is the caller's to close. */
export type ReadObject = { etag: string; bytes: Buffer | Spool };

/** An object that is to be read, as a listing named it. */
export type WantedObject = { key: string; etag?: string; generation?: string };

/** One bucket of one object store, of whichever provider. Every method throws ObjectStoreError. */
export type ObjectStore = {
  /** Whether there is such a bucket. */
  exists(signal: AbortSignal): Promise<boolean>;
  /** The objects whose keys begin with the prefix, page by page. */
  list(prefix: string, signal: AbortSignal): AsyncIterable<readonly ListedObject[]>;
  /**
   * One object, as it was when it was listed or, where it has changed since, as it is now; undefined where it is gone (BKT-006,
   * BKT-007). One without an etag is read as it is.
   */
  read(object: WantedObject, limit: number, signal: AbortSignal): Promise<ReadObject | undefined>;
};

/** What an object store refused, or did not answer. The message is for the user and holds no credentials, and no query of a URL. */
export class ObjectStoreError extends Error {
  /** The store's own word for it, such as `AccessDenied`; empty where it gave none. */
  readonly code: string;

  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "ObjectStoreError";
    this.code = code;
  }
}

/** Bounds of what a store sends, in bytes: one page of a listing, an answer that says what is wrong. */
export const pageLimit = 16 * 1024 * 1024;
export const errorLimit = 64 * 1024;
