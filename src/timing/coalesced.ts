/**
 * A task that any number of callers may ask for. One run at a time; what is asked for during a run, or `pauseMs` after
 * it, is one more run. A failure ends nothing.
 *
 *   idle ──asked──▶ busy (runs, then pauses) ──▶ idle
 *                     └──asked──▶ again ──paused──▶ busy
 */
export function coalesced(pauseMs: number, task: () => Promise<unknown>): () => void {
  let state: "idle" | "busy" | "again" = "idle";
  const run = (): void => {
    state = "busy";
    void task()
      .catch(() => undefined)
      .finally(() => {
        setTimeout(() => {
          if (state === "again") run();
          else state = "idle";
        }, pauseMs).unref();
      });
  };
  return () => {
    if (state === "idle") run();
    else state = "again";
  };
}
