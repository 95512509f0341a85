import { randomUUID } from "node:crypto";
import {
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  NoSuchKey,
  NotFound,
  PutObjectCommand,
  type S3Client,
  S3ServiceException,
} from "@aws-sdk/client-s3";
import { type Expectation, type Json, RecordConflict, type RecordStore } from "../ports.ts";

const prefix = "records/";

/**
 * A record as it is stored. S3's ETag may be a digest of the content, so that a record which returns to an earlier value
 * would return to an earlier version: the nonce makes every write's content, and with it its version, its own.
 */
type StoredRecord = { value: Json; nonce: string };

/** Records as small objects of an S3 bucket, below `records/`: compare-and-set is a conditional request, the version is the ETag. */
export function createRecordStore(client: S3Client, bucket: () => string): RecordStore {
  const read = async (key: string) => {
    try {
      const { Body, ETag } = await client.send(new GetObjectCommand({ Bucket: bucket(), Key: prefix + key }));
      return { ...parseRecord(key, (await Body?.transformToString()) ?? ""), version: ETag ?? "" };
    } catch (error) {
      if (error instanceof NoSuchKey) return undefined;
      throw error;
    }
  };
  const exists = async (key: string) => {
    try {
      await client.send(new HeadObjectCommand({ Bucket: bucket(), Key: prefix + key }));
      return true;
    } catch (error) {
      if (error instanceof NotFound) return false;
      throw error;
    }
  };
  return {
    get: async (key) => {
      const record = await read(key);
      return record === undefined ? undefined : { value: record.value, version: record.version };
    },
    put: async (key, value, expect) => {
      const record: StoredRecord = { value, nonce: randomUUID() };
      try {
        const { ETag } = await client.send(
          new PutObjectCommand({
            Bucket: bucket(),
            Key: prefix + key,
            Body: JSON.stringify(record),
            ContentType: "application/json",
            ...conditionOf(expect),
          }),
        );
        return ETag ?? "";
      } catch (error) {
        if (!isConflict(error)) throw error;
        // An attempt whose answer was lost may have been the one that came first.
        const current = error.$metadata.attempts === 1 ? undefined : await read(key);
        if (current?.nonce === record.nonce) return current.version;
        throw new RecordConflict(key);
      }
    },
    remove: async (key, expect) => {
      const condition = expect === "any" ? {} : { IfMatch: expect.version };
      try {
        await client.send(new DeleteObjectCommand({ Bucket: bucket(), Key: prefix + key, ...condition }));
      } catch (error) {
        if (!isConflict(error)) throw error;
        if (await exists(key)) throw new RecordConflict(key);
      }
    },
  };
}

function conditionOf(expect: Expectation): { IfMatch?: string; IfNoneMatch?: string } {
  if (expect === "any") return {};
  return expect === "absent" ? { IfNoneMatch: "*" } : { IfMatch: expect.version };
}

/** 412 where the condition does not hold, 409 where another conditional write is under way, 404 where If-Match finds nothing. */
function isConflict(error: unknown): error is S3ServiceException {
  if (!(error instanceof S3ServiceException)) return false;
  const status = error.$metadata.httpStatusCode;
  return status === 412 || status === 409 || (status === 404 && error.name !== "NoSuchBucket");
}

function parseRecord(key: string, text: string): StoredRecord {
  const stored: unknown = JSON.parse(text);
  if (typeof stored !== "object" || stored === null || !("value" in stored) || !("nonce" in stored)) {
    throw new Error(`the record ${key} was not written by Sluice`);
  }
  return { value: stored.value as Json, nonce: String(stored.nonce) };
}
