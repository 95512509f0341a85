/** One measurement in a process of its own: fetches all of a bucket, and once more after the store has changed one object. */
import { fetchObjects, selectObjects } from "../lib/bucket/fetch-bucket.ts";
import { s3Store } from "../lib/bucket/s3.ts";

const [endpoint = ""] = process.argv.slice(2);
const source = { bucket: "bucket", prefix: "" };
const credentials = async () => ({ accessKeyId: "AKIDEXAMPLE", secretAccessKey: "secret" });
const store = s3Store({ endpoint, bucket: source.bucket, insecure: true, credentials, outbound: {} });
const signal = AbortSignal.timeout(300_000);
const start = performance.now();
const first = await selectObjects(store, source, signal);
const listed = performance.now();
const { spool, etags } = await fetchObjects(store, source, first, undefined, signal);
const fetched = performance.now();
const archive = spool.read(0, spool.size);
spool.close();
const peakOfFirst = process.resourceUsage().maxRSS / 1024;
const again = performance.now();
const second = await selectObjects(store, source, signal);
const next = await fetchObjects(store, source, second, { etags, archive }, signal);
console.log(
  JSON.stringify({
    list: (listed - start) / 1000,
    fetch: (fetched - listed) / 1000,
    change: (performance.now() - again) / 1000,
    peakOfFirst,
    peak: process.resourceUsage().maxRSS / 1024,
    objects: next.etags.size,
  }),
);
process.exit(0);
