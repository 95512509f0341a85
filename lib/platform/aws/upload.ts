import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  PutObjectCommand,
  type S3Client,
  UploadPartCommand,
} from "@aws-sdk/client-s3";

/** S3 takes 10,000 parts of at least 5 MiB: with this size 156 GiB fit, and two parts are in memory. */
const partSize = 16 * 1024 * 1024;

/**
 * Writes an object that comes in pieces, in parts where it is larger than one; it is seen whole or not at all. Throws what the
 * pieces throw, and what S3 does; then what was uploaded so far is removed.
 */
export async function upload(
  client: S3Client,
  target: { Bucket: string; Key: string },
  body: AsyncIterable<Uint8Array>,
): Promise<void> {
  let id: string | undefined;
  const parts: { PartNumber: number; ETag: string | undefined }[] = [];
  try {
    for await (const { bytes, isLast } of partsOf(body)) {
      if (isLast && id === undefined) {
        await client.send(new PutObjectCommand({ ...target, Body: bytes, ChecksumAlgorithm: "SHA256" }));
        return;
      }
      id ??= (await client.send(new CreateMultipartUploadCommand(target))).UploadId;
      const PartNumber = parts.length + 1;
      const part = new UploadPartCommand({ ...target, UploadId: id, PartNumber, Body: bytes });
      parts.push({ PartNumber, ETag: (await client.send(part)).ETag });
    }
    await client.send(
      new CompleteMultipartUploadCommand({ ...target, UploadId: id, MultipartUpload: { Parts: parts } }),
    );
  } catch (error) {
    // A failure to tidy up would hide what went wrong; the bucket's own rule removes what is left.
    if (id !== undefined) {
      await client.send(new AbortMultipartUploadCommand({ ...target, UploadId: id })).catch(() => undefined);
    }
    throw error;
  }
}

/** Parts of equal size, the last of what is left: at least one, and empty only where there is nothing. */
async function* partsOf(body: AsyncIterable<Uint8Array>): AsyncGenerator<{ bytes: Buffer; isLast: boolean }> {
  let pending: Uint8Array[] = [];
  let size = 0;
  for await (const piece of body) {
    let rest = piece;
    while (size + rest.length > partSize) {
      pending.push(rest.subarray(0, partSize - size));
      rest = rest.subarray(partSize - size);
      yield { bytes: Buffer.concat(pending, partSize), isLast: false };
      pending = [];
      size = 0;
    }
    pending.push(rest);
    size += rest.length;
  }
  yield { bytes: Buffer.concat(pending, size), isLast: true };
}
