/** The result of `promise`, or of `otherwise` when it rejects or takes longer: for a last message to a server that may be gone. */
export async function withTimeout<T>(
  milliseconds: number,
  promise: Promise<T>,
  otherwise: () => T,
): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<T>((resolve) => {
    timer = setTimeout(() => {
      resolve(otherwise());
    }, milliseconds);
  });
  try {
    return await Promise.race([promise.catch(otherwise), late]);
  } finally {
    clearTimeout(timer);
  }
}
