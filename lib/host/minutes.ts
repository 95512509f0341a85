const minute = 60_000;

/**
 * Runs `run` now and then at the start of each minute, with the time of the call, as the minute's rule does on AWS. A run that
 * takes longer than its minute is not joined by another one: the next minute has what it left. Failures go to `onError`.
 */
export function startMinutes(run: (time: Date) => Promise<void>, onError: (error: unknown) => void): { stop(): void } {
  let running = false;
  let timer: NodeJS.Timeout;
  const tick = async () => {
    if (running) return;
    running = true;
    try {
      await run(new Date());
    } catch (error) {
      onError(error);
    } finally {
      running = false;
    }
  };
  const next = () => {
    timer = setTimeout(
      () => {
        void tick();
        next();
      },
      minute - (Date.now() % minute),
    );
  };
  void tick();
  next();
  return { stop: () => clearTimeout(timer) };
}
