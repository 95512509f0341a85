import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { describePlatform } from "../contract.ts";
import { createLocalLogger } from "./log.ts";
import { createLocalPlatform } from "./platform.ts";

describePlatform("a directory and this process", async () => {
  const directory = await mkdtemp(join(tmpdir(), "sluice-platform-"));
  const cluster = { id: "default", kubeconfig: "apiVersion: v1\nkind: Config\n" };
  const platform = createLocalPlatform({
    directory,
    endpoint: "https://127.0.0.1:1",
    cluster,
    log: createLocalLogger({ format: "json", write: () => undefined }),
    times: { redelivery: () => 0.05 },
  });
  return {
    platform,
    cluster,
    consume: platform.consume,
    deadLetters: async (queue) => (await platform.deadLetters.list(queue)).map(({ message }) => message.body),
    putSecret: async (name, text) => {
      const path = join(directory, "secrets", name);
      await mkdir(dirname(path), { recursive: true });
      await writeFile(path, text);
    },
    // A queue in this process needs a fraction of a millisecond; the machine may be busy.
    deliverySeconds: 1,
    redeliverySeconds: 2,
    stop: async () => {
      await platform.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
});
