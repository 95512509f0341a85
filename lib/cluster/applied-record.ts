/** What is remembered of one applied object: what was wanted of it, and how it was when nothing was left to do. */
export type AppliedObject = {
  apiVersion: string;
  /** Digest of the object as it was applied; absent where none may be kept (Secrets without a digest key). */
  digest?: string;
  /** Absent where the object is not to be looked at: it asks not to be applied. */
  live?: {
    uid: string;
    resourceVersion: string;
    /** Of its metadata: what of it changes when somebody changes the object. */
    fingerprint: string;
    /** Of kinds that have one, where `content` is absent. */
    generation?: number;
    /** Digest of all that drift is looked for in; only for kinds whose resourceVersion moves for nothing else. */
    content?: string;
  };
  /** The object was left as it is (KS-145, KS-146). */
  skipped?: true;
  /** The object goes by itself when it is done (KS-199). */
  expires?: true;
};

/**
 * What was applied last (design, "State"), as JSON: by inventory id (KS-170). It only ever saves requests; without it, or
 * with an older one, the same is applied.
 */
export type AppliedRecord = {
  /** Milliseconds since 1970 when every object was last looked at in full (SN-10). */
  lookedAt: number;
  /** Under whose name it was applied; a record of another field manager is not used. */
  fieldManager: string;
  objects: { [inventoryId: string]: AppliedObject };
};
