import {
  CopyObjectCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  NoSuchKey,
  NotFound,
  PutObjectCommand,
  type S3Client,
  S3ServiceException,
} from "@aws-sdk/client-s3";
import { getSignedUrl } from "@aws-sdk/s3-request-presigner";
import type { ArtifactStore, StoredObject } from "../ports.ts";
import { upload } from "./upload.ts";

/** Artifacts and records share a bucket: each has a prefix of its own. */
const prefix = "artifacts/";

/** DeleteObjects takes so many keys. */
const removeLimit = 1000;

/** Artifacts as objects of an S3 bucket, below `artifacts/`. S3 reads are strongly consistent, and a PUT is seen whole or not at all. */
export function createArtifactStore(client: S3Client, bucket: () => string): ArtifactStore {
  return {
    put: async (key, body) => {
      const target = { Bucket: bucket(), Key: prefix + key };
      if (body instanceof Uint8Array) {
        await client.send(new PutObjectCommand({ ...target, Body: body, ChecksumAlgorithm: "SHA256" }));
      } else await upload(client, target, body);
    },
    get: async (key) => {
      try {
        const { Body } = await client.send(new GetObjectCommand({ Bucket: bucket(), Key: prefix + key }));
        return await Body?.transformToByteArray();
      } catch (error) {
        if (error instanceof NoSuchKey) return undefined;
        throw error;
      }
    },
    head: async (key, options) => {
      try {
        const asked = options?.checksum === true ? ({ ChecksumMode: "ENABLED" } as const) : {};
        const {
          ContentLength = 0,
          LastModified = new Date(0),
          ChecksumSHA256,
        } = await client.send(new HeadObjectCommand({ Bucket: bucket(), Key: prefix + key, ...asked }));
        const sha256 =
          ChecksumSHA256 === undefined ? {} : { sha256: Buffer.from(ChecksumSHA256, "base64").toString("hex") };
        return { key, size: ContentLength, modified: LastModified, ...sha256 };
      } catch (error) {
        if (error instanceof NotFound) return undefined;
        throw error;
      }
    },
    copy: async (from, to) => {
      try {
        const source = `${bucket()}/${prefix}${from}`;
        await client.send(
          new CopyObjectCommand({
            Bucket: bucket(),
            Key: prefix + to,
            CopySource: source.split("/").map(encodeURIComponent).join("/"),
            ChecksumAlgorithm: "SHA256",
          }),
        );
        return true;
      } catch (error) {
        if (error instanceof NoSuchKey || (error instanceof S3ServiceException && error.name === "NoSuchKey"))
          return false;
        throw error;
      }
    },
    list: async (keyPrefix) => {
      const found: StoredObject[] = [];
      let token: string | undefined;
      do {
        const page = await client.send(
          new ListObjectsV2Command({ Bucket: bucket(), Prefix: prefix + keyPrefix, ContinuationToken: token }),
        );
        for (const { Key = "", Size = 0, LastModified = new Date(0) } of page.Contents ?? []) {
          found.push({ key: Key.slice(prefix.length), size: Size, modified: LastModified });
        }
        token = page.NextContinuationToken;
      } while (token !== undefined);
      return found;
    },
    remove: async (keys) => {
      for (let start = 0; start < keys.length; start += removeLimit) {
        const objects = keys.slice(start, start + removeLimit).map((key) => ({ Key: prefix + key }));
        const { Errors = [] } = await client.send(
          new DeleteObjectsCommand({ Bucket: bucket(), Delete: { Objects: objects, Quiet: true } }),
        );
        const [first] = Errors;
        if (first !== undefined) {
          throw new Error(
            `${Errors.length} of ${objects.length} artifacts could not be removed: ${first.Key}: ${first.Code}: ${first.Message}`,
          );
        }
      }
    },
    // The link ends with the credentials that signed it, if those end before.
    link: (key, seconds) =>
      getSignedUrl(client, new GetObjectCommand({ Bucket: bucket(), Key: prefix + key }), { expiresIn: seconds }),
  };
}
