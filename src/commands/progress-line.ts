import { printable } from "../printable.ts";

/** To the beginning of the line, and clears it. */
const REDRAW = "\r\u001b[K";

/** Runs `work` with a line of progress on stderr if that is a terminal; the line is removed at the end. */
export async function withProgressLine<T>(
  name: string,
  work: (onCompared: (done: number, total: number) => void) => Promise<T>,
): Promise<T> {
  if (!process.stderr.isTTY) return await work(() => undefined);
  try {
    return await work((done, total) => {
      process.stderr.write(`${REDRAW}${printable(name)}: ${done}/${total} rows compared`);
    });
  } finally {
    process.stderr.write(REDRAW);
  }
}
