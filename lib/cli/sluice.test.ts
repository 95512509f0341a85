import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

const sluice = fileURLToPath(new URL("sluice.ts", import.meta.url));

describe("the command line", () => {
  it.each([["crds"], ["--help"]])("of `sluice %s` ends in silence where nobody reads on", async (command) => {
    const child = spawn(process.execPath, [sluice, command], { stdio: ["ignore", "pipe", "pipe"] });
    child.stdout.destroy();
    let told = "";
    child.stderr.on("data", (chunk: Buffer) => {
      told += chunk;
    });
    const [code] = await once(child, "close");
    expect({ code, told }).toEqual({ code: 0, told: "" });
  });
});
