import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type RunningSluice, startSluice } from "../bed/sluice.ts";
import { type Gate, type Relay, startRelay } from "./relay.ts";

/** Starts a Sluice with an API server of its own, whose every request to it passes the gate. */
export async function startTroubledSluice(gate: Gate): Promise<RunningSluice & { stop(): Promise<void> }> {
  const directory = await mkdtemp(join(tmpdir(), "sluice-troubled-"));
  let relay: Relay | undefined;
  const sluice = await startSluice({
    directory,
    between: async ({ url, certificateAuthority: ca, kubeconfig }) => {
      relay = await startRelay({ target: url, ca, gate });
      return { kubeconfig: kubeconfig.replace(url, relay.url) };
    },
  });
  return {
    ...sluice,
    stop: async () => {
      await sluice.stop();
      await relay?.stop();
      await rm(directory, { recursive: true, force: true });
    },
  };
}
