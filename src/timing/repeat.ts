/**
 * Runs a task `pauseMs` after its last run has ended, for ever. A failure ends nothing: the task is simply run again.
 * @returns what stops it; a run that has begun is not waited for.
 */
export function repeat(pauseMs: number, task: () => Promise<unknown>): () => void {
  let stopped = false;
  let timer: NodeJS.Timeout;
  const schedule = (): void => {
    timer = setTimeout(() => {
      void task()
        .catch(() => undefined)
        .finally(() => {
          if (!stopped) schedule();
        });
    }, pauseMs);
  };
  schedule();
  return () => {
    stopped = true;
    clearTimeout(timer);
  };
}
