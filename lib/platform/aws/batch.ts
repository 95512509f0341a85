/** SendMessageBatch takes so many entries, */
const entryLimit = 10;
/** and so many bytes of bodies together. SQS allows 1 MiB by now; the older limit is everybody's. */
export const byteLimit = 256 * 1024;

/**
 * Cuts messages into batches that SQS takes, in order: 10 of them and 256 KB at most. Throws for a message that is larger alone.
 */
export function batchesOf<Message extends { body: string }>(messages: Message[]): Message[][] {
  const batches: Message[][] = [];
  let batch: Message[] = [];
  let bytes = 0;
  for (const message of messages) {
    const size = Buffer.byteLength(message.body);
    if (size > byteLimit) throw new Error(`a message of ${size} bytes is larger than a queue takes (${byteLimit})`);
    if (batch.length === entryLimit || bytes + size > byteLimit) {
      batches.push(batch);
      batch = [];
      bytes = 0;
    }
    batch.push(message);
    bytes += size;
  }
  if (batch.length > 0) batches.push(batch);
  return batches;
}
