import type { Readiness } from "../host/all-ready.ts";
import type { Step } from "../host/live-view.ts";
import { createLocalLogger } from "../platform/local/log.ts";
import type { Logger } from "../platform/ports.ts";

/** What `sluice start` tells its user, in words or as JSON lines. */
export type StartConsole = {
  /** What the program itself says; pretty shows warnings and errors alone, since the steps tell the rest. */
  log: Logger;
  step(step: Step): void;
  /** Something for the reader at the terminal: progress, addresses, commands. */
  say(text: string): void;
  result(ready: boolean, objects: Readiness[]): void;
};

/** `write` takes whole lines without their end. */
export function createStartConsole(format: "json" | "pretty", write: (line: string) => void): StartConsole {
  return format === "json" ? jsonConsole(write) : prettyConsole(write);
}

function jsonConsole(write: (line: string) => void): StartConsole {
  const log = createLocalLogger({ format: "json", write });
  return {
    log,
    step: ({ step, object, detail, seconds }) => log.info(step, { object, detail, seconds }),
    say: (text) => log.info(text.trim()),
    result: (ready, objects) => log.info(ready ? "everything is ready" : "not everything is ready", { objects }),
  };
}

function prettyConsole(write: (line: string) => void): StartConsole {
  return {
    log: createLocalLogger({ format: "pretty", level: "warn", write }),
    step: (step) => write(stepLine(new Date(), step)),
    say: write,
    result: (ready, objects) => {
      for (const { object, state, message } of objects)
        write(`${state.padEnd(12)}${object.padEnd(44)} ${message}`.trimEnd());
      write(ready ? "Everything is ready." : "Not everything is ready.");
    },
  };
}

/** `12:00:01.234  applied  Kustomization/flux-system/sample   +0.21 s  main@1a2b3c4 ConfigMap/sample/hello configured` */
export function stepLine(time: Date, { step, object, detail, seconds }: Step): string {
  const took = seconds === undefined ? "" : `+${seconds.toFixed(2)} s`;
  const columns = [localTime(time), step.padEnd(7), object.padEnd(36), took.padStart(8), detail];
  return columns.map(printable).join("  ").trimEnd();
}

function localTime(time: Date): string {
  const digits = (number: number, length: number) => String(number).padStart(length, "0");
  return `${digits(time.getHours(), 2)}:${digits(time.getMinutes(), 2)}:${digits(time.getSeconds(), 2)}.${digits(time.getMilliseconds(), 3)}`;
}

/** What others wrote (commit subjects, messages) must not steer the terminal. */
function printable(text: string): string {
  return text.replace(/\p{Cc}/gu, " ");
}
