/** Resolves at the first SIGINT or SIGTERM, or when `stopped` does; a second signal ends the process at once. */
export async function stopSignal(stopped?: Promise<Error | undefined>): Promise<string> {
  const signalled = new Promise<string>((resolve) => {
    for (const signal of ["SIGINT", "SIGTERM"] as const) {
      process.once(signal, () => {
        process.once("SIGINT", leave);
        process.once("SIGTERM", leave);
        resolve(signal);
      });
    }
  });
  if (stopped === undefined) return signalled;
  const ended = stopped.then((error) => {
    throw error ?? new Error("the embedded Postgres stopped by itself");
  });
  return Promise.race([signalled, ended]);
}

function leave(): void {
  process.exit(1);
}
