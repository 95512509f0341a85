import { startSluice } from "../test/bed/sluice.ts";

// The child of `startMeasuredSluice`: Sluice and its control plane in a process of their own, so that what they cost can be told
// from what measuring costs. It tells its address and ends with its parent.
const directory = process.argv[2];
if (directory === undefined || process.send === undefined)
  throw new Error("bench/host-process.ts is started by the bench");
const {
  platform: _platform,
  stop,
  ...value
} = await startSluice({
  directory,
  log: (line) => process.stderr.write(`${line}\n`),
});
process.send(value);
process.once("disconnect", () => {
  void stop().then(() => process.exit(0));
});
