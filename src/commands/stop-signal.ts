/** Resolves at the first SIGINT or SIGTERM; a second signal ends the process at once. */
export async function stopSignal(): Promise<string> {
  return await new Promise<string>((resolve) => {
    for (const signal of ["SIGINT", "SIGTERM"] as const) {
      process.once(signal, () => {
        process.once("SIGINT", leave);
        process.once("SIGTERM", leave);
        resolve(signal);
      });
    }
  });
}

function leave(): void {
  process.exit(1);
}
